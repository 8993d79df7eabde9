import { isEndEvent } from '@claude-fleet/core'
import { makeNetworkNamespace } from '../rig/namespace.js'
import type { Acked, Rig, RigWorker } from '../rig/rig.js'
import { pause, streaming, type FaultCase } from './case.js'

/** Recovery that the fleet promises after a worker is lost, ms. */
const TAKEOVER_MS = 30_000

/** Faults of a worker: killed, halted, cut off. */
export const WORKER_CASES: FaultCase[] = [
  {
    name: 'worker killed while claude answers',
    injection: 'kill -9 of the worker, at a random moment of its answers',
    extraStarts: 3,
    withinMs: TAKEOVER_MS,
    async run(rig, random) {
      const { victim, jobs } = await twoWorkers(rig, streaming(9_000))
      await pause(random(3_000))
      victim.process.signal('SIGKILL')
      return takenOver(rig, jobs)
    },
  },
  {
    name: 'worker killed as it writes an end',
    long: true,
    injection: 'kill -9 of the worker when `completed` is published',
    extraStarts: 3,
    withinMs: TAKEOVER_MS,
    async run(rig) {
      await Promise.all([rig.startWorker('first'), rig.startWorker('second')])
      const jobs = await Promise.all([1, 2, 3, 4].map((at) => rig.enqueue(streaming(500 + 60 * at))))
      for await (const event of rig.client.job(jobs[0]?.id ?? '').events()) {
        if (event.type !== 'completed') continue
        workerOf(rig, event.result.worker).process.signal('SIGKILL')
      }
      const killedAt = Date.now()
      await allEnded(rig, jobs)
      return Date.now() - killedAt
    },
  },
  {
    name: 'worker killed before it sent the prompt',
    long: true,
    injection: 'kill -9 of the worker while claude starts',
    marks: '[[start-delay:2500]]',
    extraStarts: 0,
    withinMs: TAKEOVER_MS,
    async run(rig, random) {
      await Promise.all([rig.startWorker('first'), rig.startWorker('second')])
      const job = await rig.enqueue(streaming(200))
      await rig.until('claude is being started', () => rig.spends.started().length > 0)
      await pause(random(1_000))
      const { worker = '' } = await rig.client.job(job.id).get()
      workerOf(rig, worker).process.signal('SIGKILL')
      const killedAt = Date.now()
      await rig.until('the prompt is sent', () => rig.spends.of(job.tag).length > 0)
      return Date.now() - killedAt
    },
  },
  {
    name: 'worker frozen for 30 s',
    long: true,
    injection: 'SIGSTOP of the worker, SIGCONT after 30 s',
    extraStarts: 3,
    withinMs: TAKEOVER_MS,
    async run(rig, random) {
      const { victim, jobs } = await twoWorkers(rig, streaming(12_000))
      await pause(random(3_000))
      victim.process.signal('SIGSTOP')
      const frozen = pause(30_000).then(() => victim.process.signal('SIGCONT'))
      const recovery = await takenOver(rig, jobs)
      await frozen
      return recovery
    },
  },
  {
    name: 'worker cut off from Redis for 40 s',
    long: true,
    injection: 'its line drops everything in silence (TCP proxy)',
    extraStarts: 3,
    withinMs: TAKEOVER_MS,
    async run(rig, random) {
      const { victim, jobs } = await twoWorkers(rig, streaming(12_000))
      await pause(random(3_000))
      victim.line.drop()
      const cut = pause(40_000).then(() => victim.line.restore())
      const recovery = await takenOver(rig, jobs)
      await cut
      return recovery
    },
  },
  {
    name: 'worker whose host loses its network for 40 s',
    long: true,
    injection: 'the link of its network namespace is set down (needs root)',
    extraStarts: 3,
    withinMs: TAKEOVER_MS,
    async run(rig, random) {
      const network = makeNetworkNamespace()
      if (network === undefined) {
        console.warn('not run, for it needs root and ip: a worker whose host loses its network')
        return undefined
      }
      await rig.startWorker('first', network)
      const jobs = await Promise.all([1, 2].map(() => rig.enqueue(streaming(20_000))))
      await allStarted(rig, jobs)
      await rig.startWorker('second')
      await pause(random(3_000))
      network.cut()
      const cut = pause(40_000).then(() => network.restore())
      const recovery = await takenOver(rig, jobs)
      await cut
      return recovery
    },
  },
  {
    name: 'poison job that takes its worker along each time',
    long: true,
    injection: 'kill -9 of the worker whenever the job has begun; the worker starts again at once',
    extraStarts: 20,
    async run(rig) {
      let generation = 0
      let victim: RigWorker = await rig.startWorker(`w${generation}`)
      const poison = await rig.enqueue(streaming(60_000))
      const others = await Promise.all([1, 2].map(() => rig.enqueue(streaming(4_000))))
      let killed = 0
      for (;;) {
        const next = await rig.until(
          'the poison job begins again, or has ended',
          async () => {
            if (rig.spends.of(poison.tag).length > killed) return 'begun'
            return (await rig.client.job(poison.id).get()).finishedAt === undefined ? undefined : 'ended'
          },
          120_000,
        )
        if (next === 'ended') break
        killed += 1
        if (killed > 10) throw new Error('the poison job was begun over and over')
        victim.process.signal('SIGKILL')
        generation += 1
        victim = await rig.startWorker(`w${generation}`)
      }
      const view = await rig.client.job(poison.id).get()
      if (view.error?.code !== 'WORKER_LOST') throw new Error(`the poison job ended with ${view.error?.code}`)
      await allEnded(rig, others)
      for (const { id } of others) {
        const { state } = await rig.client.job(id).get()
        if (state !== 'completed') throw new Error(`a job beside the poison ended as ${state}`)
      }
      return undefined
    },
  },
  {
    name: 'worker asked to stop under load',
    injection: 'SIGTERM of one of two workers while four jobs run, longer than its drain time',
    env: { FLEET_DRAIN_MS: '2000' },
    extraStarts: 4,
    async run(rig, random) {
      const first = await rig.startWorker('first')
      const jobs = await Promise.all([1, 2, 3, 4].map(() => rig.enqueue(streaming(5_000))))
      await allStarted(rig, jobs)
      await rig.startWorker('second')
      await pause(random(1_000))
      const askedAt = Date.now()
      await first.process.stop(20_000)
      await allEnded(rig, jobs)
      return Date.now() - askedAt
    },
  },
]

/** Two workers and three jobs that run; the victim is the worker that runs the first, with all that it runs. */
async function twoWorkers(rig: Rig, prompt: string): Promise<{ victim: RigWorker; jobs: Acked[] }> {
  await Promise.all([rig.startWorker('first'), rig.startWorker('second')])
  const jobs = await Promise.all([1, 2, 3].map(() => rig.enqueue(prompt)))
  await allStarted(rig, jobs)
  const workers = await Promise.all(jobs.map(async ({ id }) => (await rig.client.job(id).get()).worker))
  return { victim: workerOf(rig, workers[0] ?? ''), jobs: jobs.filter((_job, at) => workers[at] === workers[0]) }
}

function workerOf(rig: Rig, id: string): RigWorker {
  const found = rig.workers.find((worker) => worker.id === id)
  if (found === undefined) throw new Error(`no worker ${id}`)
  return found
}

export async function allStarted(rig: Rig, jobs: readonly Acked[]): Promise<void> {
  await rig.until('every job has begun', () => jobs.every(({ tag }) => rig.spends.of(tag).length > 0))
}

export async function allEnded(rig: Rig, jobs: readonly Acked[]): Promise<void> {
  for (const { id } of jobs) for await (const event of rig.client.job(id).events()) if (isEndEvent(event)) break
}

/** Until every job has begun a second time, ms from now to the last of them. */
async function takenOver(rig: Rig, jobs: readonly Acked[]): Promise<number> {
  const from = Date.now()
  await rig.until('every job was taken over', () => jobs.every(({ tag }) => rig.spends.of(tag).length > 1))
  return Math.max(...jobs.map(({ tag }) => rig.spends.of(tag)[1]?.at ?? 0)) - from
}
