import { isEndEvent, type StreamEvent } from '@claude-fleet/core'
import type { Acked, Rig } from '../rig/rig.js'
import { pause, streaming, type FaultCase } from './case.js'
import { allEnded } from './worker.js'

/** Faults of claude itself, and what it prints. */
export const CLAUDE_CASES: FaultCase[] = [
  {
    name: 'claude killed while it answers',
    injection: 'kill -9 of claude at a random moment of its answer',
    extraStarts: 1,
    withinMs: 1_000,
    async run(rig, random) {
      await rig.startWorker('first')
      const job = await rig.enqueue(streaming(4_000), { backoff: { type: 'fixed', delayMs: 100, jitter: 0 } })
      const pid = await begun(rig, job)
      await pause(random(2_000))
      process.kill(pid, 'SIGKILL')
      const killedAt = Date.now()
      return (await errorOf(rig, job, 'PROCESS_CRASHED')).ts - killedAt
    },
  },
  {
    name: 'claude ends without a result',
    injection: 'fake claude: exit 0 after half an answer, and after half the line of its result',
    extraStarts: 0,
    async run(rig) {
      await rig.startWorker('first')
      for (const mark of ['[[no-result]][[exit:0]]', '[[half-result]]'])
        await errorOf(rig, await rig.enqueue(mark, { attempts: 1 }), 'PROCESS_CRASHED')
      return undefined
    },
  },
  {
    name: 'claude hangs after its result',
    injection: 'fake claude: never ends, ignores SIGTERM; one slot, two jobs',
    env: { FLEET_CONCURRENCY: '1' },
    extraStarts: 0,
    withinMs: 6_000,
    async run(rig) {
      await rig.startWorker('first')
      const first = await rig.enqueue('[[hang-after-result]][[ignore-term]][[ignore-eof]]')
      const second = await rig.enqueue(streaming(100))
      await allEnded(rig, [first])
      const endedAt = Date.now()
      await rig.until('the slot is free', () => rig.spends.of(second.tag).length > 0)
      return Date.now() - endedAt
    },
  },
  {
    name: 'claude frozen',
    injection: 'SIGSTOP of claude in its answer; idleTimeoutMs 3,000',
    extraStarts: 1,
    async run(rig) {
      await rig.startWorker('first')
      const job = await rig.enqueue(streaming(3_000), {
        idleTimeoutMs: 3_000,
        backoff: { type: 'fixed', delayMs: 100, jitter: 0 },
      })
      const pid = await begun(rig, job)
      process.kill(pid, 'SIGSTOP')
      const frozenAt = Date.now()
      return (await errorOf(rig, job, 'IDLE_TIMEOUT')).ts - frozenAt
    },
  },
  {
    name: 'claude prints what it should not',
    injection:
      'fake claude: lines in pieces, garbage, bytes that are not UTF-8, an answer nobody asked for, noise on stderr',
    extraStarts: 0,
    async run(rig) {
      await rig.startWorker('first')
      const jobs = await Promise.all(
        ['[[split]]', '[[garbage:200]]', '[[bad-bytes]]', '[[unsolicited]]', '[[stderr-bytes:3000000]]'].map((mark) =>
          rig.enqueue(`${mark}[[text:as it should be]]`),
        ),
      )
      await allEnded(rig, jobs)
      for (const { id } of jobs) {
        const { state, result, error } = await rig.client.job(id).get()
        if (result?.text !== 'as it should be') throw new Error(`${state} ${error?.code} ${result?.text.slice(0, 50)}`)
      }
      return undefined
    },
  },
  {
    name: 'claude prints without end',
    long: true,
    injection: 'fake claude: an answer of 20 MB, one line of 70 MB, 70 MB without a line end, 100 MB of stray deltas',
    extraStarts: 0,
    async run(rig) {
      await rig.startWorker('first')
      for (const mark of ['[[bytes:20000000]]', '[[line:70000000]]', '[[open-line:70000000]]'])
        await errorOf(rig, await rig.enqueue(mark, { attempts: 1 }), 'OUTPUT_TOO_LARGE')
      const stray = await rig.enqueue('[[flood:100000000]][[text:as it should be]]')
      await allEnded(rig, [stray])
      const { result } = await rig.client.job(stray.id).get()
      if (result?.text !== 'as it should be') throw new Error('what is no part of the answer got into it')
      return undefined
    },
  },
  {
    name: 'claude leaves daemons',
    injection: 'fake claude: child, setsid, orphan, and one that cleared its environment, all ignoring SIGTERM',
    extraStarts: 0,
    async run(rig) {
      await rig.startWorker('first')
      const completed = await rig.enqueue('[[daemons:stubborn]][[text:done]]')
      const cancelled = await rig.enqueue(`[[daemons:stubborn]]${streaming(30_000)}`)
      await rig.until('the daemons are there', async () => (await rig.daemons()).length >= 8)
      await rig.client.job(cancelled.id).cancel()
      await allEnded(rig, [completed, cancelled])
      return undefined
    },
  },
]

/** The pid of the claude that has the job's prompt. */
export async function begun(rig: Rig, { tag }: Acked): Promise<number> {
  return rig.until('the prompt is sent', () => rig.spends.of(tag).at(-1)?.pid)
}

/** Waits for the first event that tells an error, which must have `code`. */
async function errorOf(rig: Rig, { id }: Acked, code: string): Promise<StreamEvent> {
  for await (const event of rig.client.job(id).events()) {
    if (event.type === 'retry' || event.type === 'failed') {
      if (event.error.code !== code) throw new Error(`${event.error.code}, not ${code}: ${event.error.message}`)
      return event
    }
    if (isEndEvent(event)) throw new Error(`it ended as ${event.type}, not with ${code}`)
  }
  throw new Error('the stream ended without an end')
}
