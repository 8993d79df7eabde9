import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import type { Log } from '../types.js'
import type { LockTiming } from './timing.js'

/** Jobs looked at by one script, so that Redis is never held for long. */
const BATCH = 500
const STOP_MS = 1_000

/** Gives jobs of lost workers back to the queue. One in every worker; Redis lets one of them at a time do the work. */
export interface Reaper {
  start(): void
  stop(): Promise<void>
}

export interface ReaperDeps {
  client: Redis
  keys: Keys
  log: Log
  /** What else the one that does the work looks after, each tick. */
  alsoDo?: () => Promise<unknown>
}

/** `timing.reapMs` apart it ticks; see the `reap` script for what a tick does. */
export function createReaper({ client, keys, log, alsoDo }: ReaperDeps, timing: LockTiming): Reaper {
  const instance = randomUUID()
  const leaseMs = 3 * timing.reapMs
  let timer: NodeJS.Timeout | undefined
  let ticking: Promise<void> = Promise.resolve()
  const stopping = new AbortController()

  async function tick(): Promise<void> {
    for (let from: string | undefined = '0'; from !== undefined && !stopping.signal.aborted;) {
      const args = [keys.prefix, '', instance, timing.lockMs, timing.gapMs, leaseMs, BATCH, from]
      const [word, detail = '', ...ids] = await runScript(client, 'fleetReap', keys.reaper, args)
      if (word === 'rest' && ids[0] === 'new') {
        log.info(
          { restMs: Number(detail) },
          'there was a gap in the service of Redis; nothing is taken over for a while',
        )
      }
      if (word !== 'other' && from === '0') await alsoDo?.()
      const rescued = word === 'reaped' ? ids : []
      for (const jobId of rescued) log.warn({ jobId }, 'a job whose lock had lapsed went back to the queue')
      from = word === 'reaped' && detail !== '' ? detail : undefined
    }
  }

  function schedule(): void {
    if (stopping.signal.aborted) return
    timer = setTimeout(run, timing.reapMs)
  }

  function run(): void {
    // While Redis is away a tick waits for it, and there are no more than this one.
    ticking = tick()
      .catch((err: unknown) => log.debug({ err }, 'the reaper could not tick'))
      .finally(schedule)
  }

  return {
    start() {
      if (timer === undefined && !stopping.signal.aborted) run()
    },
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      await within(STOP_MS, ticking, 'the reaper did not stop').catch(() => undefined)
      clearTimeout(timer)
    },
  }
}
