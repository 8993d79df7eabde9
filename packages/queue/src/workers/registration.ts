import { FleetError } from '@claude-fleet/core'
import { parseControl } from '../consumer/control.js'
import { newFence } from '../ids.js'
import type { QueueDeps } from '../jobs/producer.js'
import { createKeys } from '../keys.js'
import { clientOf, subscriptionsOf } from '../redis/connect.js'
import { pause, within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import type { Tally, WorkerRegistration, WorkerStatus } from '../types.js'
import { HEARTBEAT_MS, HEARTBEAT_TTL_MS, type Heartbeat } from './heartbeat.js'

const CALL_MS = 5_000
/** Longer than any outage a worker lives through: what it had told by then must not be added again. */
const TALLY_KEPT_MS = 7 * 86_400_000

export interface RegistrationDeps extends QueueDeps {
  status: () => WorkerStatus
  /** Called once when an operator asks this worker to drain, or when another process has taken its id. */
  onDrain: () => void
  /** What this process has measured. The counts of `status().pool` are added to it. */
  tally?: Tally
  /**
   * Called whenever Redis has taken a heartbeat of this worker. `clockOffMs`: how far this host's clock is ahead of
   * Redis's at least (behind: negative); what the call itself took is not held against it.
   * `closed`: which of its credentials cannot be used, until when, ms; 0: until somebody resumes it.
   */
  onBeat?: (beat: { clockOffMs: number; closed: ReadonlyMap<string, number> }) => void
}

export interface RegistrationOptions {
  prefix: string
  workerId: string
  host: string
  pid: number
  /** Its values of credentials, by name: what `fingerprintOf` makes of them. Default: none is told. */
  fingerprints?: Readonly<Record<string, string>> | undefined
  /** Aborting it ends the wait for an older process's heartbeat to lapse. */
  signal?: AbortSignal | undefined
}

/**
 * Puts this worker on the list of live ones and keeps it there. When the id is on it already, waits until that heartbeat
 * has lapsed (up to 10 s after a crash). Rejects with FleetError `CONFLICT` when the other process beats again, and
 * with `UNAVAILABLE` when Redis does not answer or `signal` aborts. `ttlMs` and `beatMs` are for tests.
 */
export async function registerWorker(
  deps: RegistrationDeps,
  options: RegistrationOptions,
  { ttlMs = HEARTBEAT_TTL_MS, beatMs = HEARTBEAT_MS } = {},
): Promise<WorkerRegistration> {
  const { redis, log, status, tally, onDrain, onBeat } = deps
  const { workerId, host, pid } = options
  const client = clientOf(redis)
  const keys = createKeys(options.prefix)
  const instance = newFence()
  let drained = false

  function drain(why: string): void {
    if (drained) return
    drained = true
    log.info({ workerId }, why)
    onDrain()
  }

  async function say(text: string): Promise<string[]> {
    const args = [
      options.prefix,
      workerId,
      instance,
      text,
      ttlMs,
      JSON.stringify(counted()),
      TALLY_KEPT_MS,
      JSON.stringify(options.fingerprints ?? {}),
      status().limit,
    ]
    return within(CALL_MS, runScript(client, 'fleetBeat', keys.worker(workerId), args), 'Redis did not answer')
  }

  /** Rejects as `say` does. The words are those of the script. */
  async function tell(text: string): Promise<string[]> {
    const before = Date.now()
    const words = await say(text)
    const after = Date.now()
    if (words[0] === 'ok') onBeat?.({ clockOffMs: clockOff(Number(words[2]), before, after), closed: closedOf(words) })
    return words
  }

  /** Totals since the process began: the script adds what is new, so a beat that comes twice does no harm. */
  function counted(): Record<string, number> {
    const { pool, ends } = status()
    const named = (prefix: string, counts: object) =>
      Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${prefix}:${name}`, count as number]))
    return { ...tally?.totals(), ...named('pool', pool), ...named('ends', ends) }
  }

  function heartbeat(): string {
    const { pausedReason, pool: _pool, ends: _ends, ...facts } = status()
    const said: Heartbeat = {
      instance,
      id: workerId,
      host,
      pid,
      ...facts,
      labels: facts.labels ?? [],
      keepsMs: facts.keepsMs ?? 0,
    }
    return JSON.stringify(pausedReason === undefined ? said : { ...said, pausedReason })
  }

  async function enter(): Promise<void> {
    let seenMs: number | undefined
    for (;;) {
      const [word] = await tell(heartbeat())
      if (word === 'ok') return
      // Its time to live only falls, unless its process lives and beats.
      const leftMs = await within(CALL_MS, client.pttl(keys.worker(workerId)), 'Redis did not answer')
      if (seenMs === undefined) log.info({ workerId, leftMs }, 'waiting for the heartbeat of an older process to lapse')
      if (seenMs !== undefined && leftMs > seenMs) {
        throw new FleetError(
          'CONFLICT',
          `another live worker has the id ${workerId}; give this one its own FLEET_WORKER_ID`,
        )
      }
      seenMs = leftMs
      await pause(Math.min(Math.max(leftMs + 1, 1), beatMs / 2), options.signal)
      if (options.signal?.aborted === true) throw new FleetError('UNAVAILABLE', 'the wait for the worker id was ended')
    }
  }

  async function beat(): Promise<void> {
    const [word, order] = await tell(heartbeat())
    if (word === 'taken') drain('another process has this worker id; this one drains')
    if (order === 'drain') drain('asked to drain')
  }

  await enter()
  const listening = subscriptionsOf(redis).listen(keys.control, {
    message(text) {
      const message = parseControl(text)
      // The request names the instance in Redis; the beat reads it, so a lost message is only a late one.
      if (message?.type === 'drain' && message.worker === workerId) void beatQuietly()
      if (message?.type === 'credential' && options.fingerprints?.[message.name] !== undefined) void beatQuietly()
    },
    restored: () => void beatQuietly(),
  })
  const unlisten = await within(CALL_MS, listening, 'Redis did not answer')
  async function beatQuietly(): Promise<void> {
    await beat().catch((err: unknown) => log.warn({ err }, 'a heartbeat did not reach Redis'))
  }
  const timer = setInterval(() => void beatQuietly(), beatMs)

  return {
    beat,
    async close() {
      clearInterval(timer)
      unlisten()
      // Without Redis there is nothing to leave; the heartbeat lapses by itself.
      await say('').catch((err: unknown) => log.debug({ err }, 'the worker could not take itself off the list'))
    },
  }
}

/** Name and time by turns. */
function closedOf([, , , ...words]: readonly string[]): Map<string, number> {
  const closed = new Map<string, number>()
  for (let at = 0; at + 1 < words.length; at += 2) closed.set(words[at] ?? '', Number(words[at + 1]))
  return closed
}

/** Redis looked at its clock at some moment between the two: only what neither of them explains is a difference. */
function clockOff(redisMs: number, before: number, after: number): number {
  if (redisMs < before) return before - redisMs
  return redisMs > after ? after - redisMs : 0
}
