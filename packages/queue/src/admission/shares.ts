import { FleetError } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'

/** Of 500 jobs each: what is left is done by the next call. */
const RUNS_MAX = 40

/**
 * Brings the waiting list back to its ready window, and lets go what may go on: a second tenant has come, many delays have ended at
 * once, a day is over, or somebody died in between. Does little when there is nothing to do.
 */
export async function balanceShares(client: Redis, keys: Keys): Promise<void> {
  for (let run = 0; run < RUNS_MAX; run += 1) {
    const [word] = await runScript(client, 'fleetBalance', keys.backlog, [keys.prefix, ''])
    if (word !== 'more') return
  }
}

/** Does this answer of a script say that the tenant may not put more into the queue? Then throws what the caller is told. */
export function refuseWithoutRoom([word, limit = '', ms = '']: readonly string[]): void {
  if (word === 'queue_full') {
    const message = `this tenant has ${limit} jobs waiting, as many as it may`
    throw new FleetError('TOO_MANY_REQUESTS', message, {
      details: { retryAfterMs: RETRY_MS, maxQueued: Number(limit) },
    })
  }
  if (word === 'no_money') {
    const message = `this tenant has spent the ${limit} USD that it may spend in a day (UTC)`
    const details = { retryAfterMs: Number(ms), dailyUsd: Number(limit) }
    throw new FleetError('MAX_BUDGET', message, { retryable: false, details })
  }
}

/** When to ask again for a place in a full queue, ms: it empties as fast as jobs begin. */
const RETRY_MS = 5_000
