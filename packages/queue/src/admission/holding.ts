import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'

/** How far in the future BullMQ is told that a held job is due, ms: never, within what its scores can hold. */
export const HELD_MS = 5 * 365 * 86_400_000

const RECHECK_BATCH = 500
const SWEEP_MAX = 1_000

/** To be called when jobs were put into BullMQ's delayed set as held: their gate may have opened on the way. */
export async function confirmHeld(client: Redis, keys: Keys, ids: readonly string[]): Promise<void> {
  await runScript(client, 'fleetPromote', keys.promote, [keys.prefix, '', ...ids])
}

/**
 * One pass over held jobs: lets go what was to go when a crash came between, and what is held though its gate is open. `from`:
 * where the pass before ended. Resolves to where the next goes on.
 */
export async function recheckHeld(client: Redis, keys: Keys, from: number): Promise<{ next: number; freed: number }> {
  const lost = await client.srandmember(keys.promote, SWEEP_MAX)
  if (lost.length > 0) await confirmHeld(client, keys, lost)
  const [next = '', freed = '0'] = await runScript(client, 'fleetRecheck', keys.held, [
    keys.prefix,
    '',
    from,
    RECHECK_BATCH,
  ])
  return { next: Number(next), freed: Number(freed) }
}
