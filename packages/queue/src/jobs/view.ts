import { attemptViewSchema, NO_USAGE, type AttemptView, type JobView } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Keys } from '../keys.js'
import { VIEW_FIELDS, viewOf } from './record.js'
import { parseJson } from './seal.js'

/** A job as its tenant sees it, with its attempts. Undefined when it does not exist for the tenant. */
export async function readView(client: Redis, keys: Keys, tenant: string, id: string): Promise<JobView | undefined> {
  const [values, ledger] = await Promise.all([
    client.hmget(keys.job(id), ...VIEW_FIELDS),
    client.hgetall(keys.attempts(id)),
  ])
  const view = viewOf(id, values, tenant)
  const attempts = readLedger(ledger)
  return view === undefined || attempts.length === 0 ? view : { ...view, attempts }
}

/** As the scripts write it: what was not spent is not there. */
const entrySchema = attemptViewSchema.extend({
  usage: z.record(z.string(), z.number()).transform((usage) => ({ ...NO_USAGE, ...usage })),
})
const ledgerSchema = z.array(entrySchema.optional().catch(undefined))

/** Redis can be written by others: an entry that cannot be read is left out. */
function readLedger(ledger: Readonly<Record<string, string>>): AttemptView[] {
  const entries = ledgerSchema.parse(Object.values(ledger).map(parseJson))
  return entries.filter((entry) => entry !== undefined).toSorted((a, b) => a.attempt - b.attempt)
}
