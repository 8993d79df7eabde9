import { setTimeout as pause } from 'node:timers/promises'
import { isEndEvent, type JobInput } from '@claude-fleet/core'
import type { Acked, Rig } from '../rig/rig.js'
import { streaming, type FaultCase } from './case.js'
import { begun } from './claude.js'

/** Cancelling, whatever the job is doing. A cancelled job says so only when nothing of it lives. */
export const CANCEL_CASES: FaultCase[] = [
  {
    name: 'cancel of a job that waits, is delayed or waits for a retry',
    injection: 'cancel, with the only slot taken',
    env: { FLEET_CONCURRENCY: '1' },
    extraStarts: 0,
    withinMs: 6_000,
    async run(rig) {
      await rig.startWorker('first')
      const failing: Partial<JobInput> = { backoff: { type: 'fixed', delayMs: 60_000, jitter: 0 } }
      const retried = await rig.enqueue('[[exit:3]]', failing)
      await rig.until('it waits for its retry', async () => (await stateOf(rig, retried)) === 'delayed')
      const slot = await rig.enqueue(streaming(60_000))
      await begun(rig, slot)
      const waiting = await rig.enqueue(streaming(100))
      const delayed = await rig.enqueue(streaming(100), { delayMs: 60_000 })
      const times = await Promise.all([retried, waiting, delayed].map((job) => cancelled(rig, job)))
      for (const { tag } of [waiting, delayed])
        if (rig.spends.of(tag).length > 0) throw new Error('a job that was cancelled before it began was begun')
      return Math.max(...times, await cancelled(rig, slot))
    },
  },
  {
    name: 'cancel of a job that runs',
    injection: 'cancel while text streams, while claude hangs, and of one that ignores interrupt and SIGTERM',
    extraStarts: 0,
    withinMs: 6_500,
    async run(rig, random) {
      await rig.startWorker('first')
      const jobs = await Promise.all(
        [streaming(60_000), '[[hang]]', '[[hang-init]]', `[[ignore-interrupt]][[ignore-term]]${streaming(60_000)}`].map(
          (mark) => rig.enqueue(mark),
        ),
      )
      await Promise.all(jobs.map((job) => begun(rig, job)))
      await pause(random(500))
      return Math.max(...(await Promise.all(jobs.map((job) => cancelled(rig, job)))))
    },
  },
  {
    name: 'cancel races the end',
    injection: '60 jobs, each cancelled at a random moment around its end',
    extraStarts: 0,
    async run(rig, random) {
      await rig.startWorker('first')
      const jobs = await Promise.all(Array.from({ length: 60 }, () => rig.enqueue('[[slow:2,20]][[text:ab]]')))
      await Promise.all(
        jobs.map(async (job) => {
          await begun(rig, job)
          await pause(random(80))
          await rig.client.job(job.id).cancel()
        }),
      )
      return undefined
    },
  },
]

async function stateOf(rig: Rig, { id }: Acked): Promise<string> {
  return (await rig.client.job(id).get()).state
}

/** Cancels, and waits for `cancelled`. Resolves to the time between, ms. Its claude must not run any more then. */
async function cancelled(rig: Rig, job: Acked): Promise<number> {
  const from = performance.now()
  await rig.client.job(job.id).cancel()
  for await (const event of rig.client.job(job.id).events()) {
    if (!isEndEvent(event)) continue
    if (event.type !== 'cancelled') throw new Error(`it ended as ${event.type}`)
    break
  }
  const ms = performance.now() - from
  const alive = rig.spends.of(job.tag).filter(({ pid }) => rig.witness.isRunning(pid))
  if (alive.length > 0) throw new Error('it was said to be cancelled while its claude ran')
  return ms
}
