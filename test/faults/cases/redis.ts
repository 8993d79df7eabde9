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
