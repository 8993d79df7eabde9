import type { Check } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { createKeys } from '../../keys.js'
import { within } from '../deadline.js'

const CALL_MS = 2_500
/** A loss is told of for so long, ms. */
const TOLD_MS = 7 * 86_400_000

/** Has Redis lately come back without writes that it had acknowledged? See `tide.ts`. */
export async function historyCheck(client: Redis, { prefix, now }: { prefix: string; now: number }): Promise<Check> {
  const name = 'redis.history'
  const reading = client.hmget(createKeys(prefix).reaper, 'lossAt', 'lossJobs')
  const [at, jobs] = await within(CALL_MS, reading, 'Redis did not answer')
  const lossAt = Number(at ?? 0)
  if (lossAt < now - TOLD_MS)
    return { name, status: 'ok', found: 'nothing acknowledged was lost that the fleet knows of' }
  return {
    name,
    status: 'warn',
    found: `came back at ${new Date(lossAt).toISOString()} without its last moments; ${Number(jobs ?? 0)} jobs are known to be gone`,
    expected: 'nothing lost',
    fix: 'grep the logs of API and workers for "without writes that it had acknowledged", and enqueue those jobs again; appendfsync always loses nothing',
  }
}
