import { connectRedis } from '@claude-fleet/queue'
import type { Acked, Rig } from '../rig/rig.js'
import { pause, streaming, type FaultCase } from './case.js'
import { allEnded, allStarted } from './worker.js'

/** Faults of Redis. None may cost a prompt: the work goes on, and what it wrote is kept until Redis takes it. */
export const REDIS_CASES: FaultCase[] = [
  {
    name: 'Redis killed, back after 6 s',
    long: true,
    injection: 'kill -9 of Redis (AOF, fsync each second), started again on its data',
    extraStarts: 0,
    async run(rig, random) {
      const jobs = await underLoad(rig, 12_000)
      await pause(random(2_000))
      await rig.crashRedis(6_000)
      const backAt = Date.now()
      await allEnded(rig, jobs)
      return Date.now() - backAt
    },
  },
  {
    name: 'Redis frozen for 6 s',
    injection: 'SIGSTOP of Redis, SIGCONT after 6 s',
    extraStarts: 0,
    run: (rig, random) => frozen(rig, 6_000, random(2_000)),
  },
  {
    name: 'Redis frozen for three lock times',
    long: true,
    injection: 'SIGSTOP of Redis, SIGCONT after 60 s',
    extraStarts: 0,
    run: (rig, random) => frozen(rig, 60_000, random(2_000)),
  },
  {
    name: 'Redis slow',
    injection: 'each packet of a worker 200 ms late, both ways (TCP proxy)',
    extraStarts: 0,
    async run(rig) {
      const first = await rig.startWorker('first')
      first.line.delay(200)
      const jobs = await Promise.all([1, 2, 3, 4].map(() => rig.enqueue(streaming(3_000))))
      await allEnded(rig, jobs)
      first.line.restore()
      return undefined
    },
  },
  {
    name: 'connections to Redis reset each second for 15 s',
    long: true,
    injection: 'RST on every connection of the workers (TCP proxy)',
    extraStarts: 0,
    async run(rig) {
      const jobs = await underLoad(rig, 12_000)
      for (let times = 0; times < 15; times += 1) {
        for (const { line } of rig.workers) line.reset()
        await pause(1_000)
      }
      const overAt = Date.now()
      jobs.push(await rig.enqueue(streaming(100)))
      await allEnded(rig, jobs)
      return Date.now() - overAt
    },
  },
  {
    name: 'Redis restarted in order',
    injection: 'SHUTDOWN of Redis, started again on its data after 1 s',
    long: true,
    extraStarts: 0,
    async run(rig, random) {
      const jobs = await underLoad(rig, 6_000)
      await pause(random(2_000))
      await rig.restartRedis(1_000)
      const backAt = Date.now()
      await allEnded(rig, jobs)
      return Date.now() - backAt
    },
  },
  {
    name: 'Redis out of memory for 10 s',
    injection: 'maxmemory set below what is used while jobs run and others wait',
    long: true,
    extraStarts: 0,
    async run(rig) {
      const running = await underLoad(rig, 5_000)
      const waiting = await Promise.all(Array.from({ length: 6 }, () => rig.enqueue(streaming(100))))
      await rig.command('CONFIG', 'SET', 'maxmemory', '1')
      const fullAt = Date.now()
      const refused = await rig.client.enqueue({ prompt: 'one more' }).catch((error: unknown) => error)
      if (!(refused instanceof Error) || !refused.message.includes('out of memory'))
        throw new Error('a Redis without memory took a job')
      // What runs ends, also while nothing new may come in.
      await allEnded(rig, running)
      await pause(Math.max(0, fullAt + 10_000 - Date.now()))
      await rig.command('CONFIG', 'SET', 'maxmemory', '0')
      const freeAt = Date.now()
      await allEnded(rig, waiting)
      return Date.now() - freeAt
    },
  },
  {
    name: '200 clients lost at once',
    injection: 'RST on 200 connections at one moment (TCP proxy)',
    long: true,
    extraStarts: 0,
    withinMs: 10_000,
    async run(rig) {
      const { line } = await rig.startWorker('first')
      const url = rig.redisUrl(line.port)
      const clients = await Promise.all(
        Array.from({ length: 200 }, () => connectRedis({ url, name: 'one-of-200', mode: 'api' })),
      )
      line.reset()
      const lostAt = performance.now()
      await rig.until('all are back', async () =>
        (await Promise.allSettled(clients.map((client) => client.ping()))).every(
          ({ status }) => status === 'fulfilled',
        ),
      )
      const ms = performance.now() - lostAt
      await allEnded(rig, [await rig.enqueue(streaming(100))])
      await Promise.all(clients.map((client) => client.close()))
      return ms
    },
  },
]

async function underLoad(rig: Rig, answerMs: number): Promise<Acked[]> {
  await Promise.all([rig.startWorker('first'), rig.startWorker('second')])
  const jobs = await Promise.all([1, 2, 3, 4, 5, 6].map(() => rig.enqueue(streaming(answerMs))))
  await allStarted(rig, jobs)
  return jobs
}

async function frozen(rig: Rig, ms: number, after: number): Promise<number> {
  const jobs = await underLoad(rig, ms + 6_000)
  await pause(after)
  rig.freezeRedis()
  await pause(ms)
  rig.thawRedis()
  const backAt = Date.now()
  await allEnded(rig, jobs)
  return Date.now() - backAt
}
