import { createHmac } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import type { AttemptOutcome } from '../types.js'

/** Jobs looked at by one script, so that Redis is never held for long. */
const BATCH = 500

/**
 * Names a value of a credential without telling it: 16 hexadecimal digits of an HMAC over its environment. The same value has
 * the same name on every worker.
 */
export function fingerprintOf(env: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHmac('sha256', 'claude-fleet credential').update(JSON.stringify(pairs)).digest('hex').slice(0, 16)
}

/**
 * Where an attempt met the usage limit of its credential: parks that value for all workers before the outcome is
 * written, so that none starts another attempt with it, and holds the jobs that wait for it. They are not claimed
 * until it is open again.
 */
export async function parkCredential(
  { client, keys }: { client: Redis; keys: Keys },
  { name, fingerprint }: { name: string; fingerprint: string },
  outcome: Extract<AttemptOutcome, { type: 'parked' }>,
): Promise<void> {
  const { error, resumesAt } = outcome
  for (let left = '0'; ;) {
    const args = [keys.prefix, '', name, fingerprint, resumesAt, error.code, error.message, left, BATCH]
    const [word, next = ''] = await runScript(client, 'fleetPark', keys.credential(name), args)
    if (word !== 'more') return
    left = next
  }
}
