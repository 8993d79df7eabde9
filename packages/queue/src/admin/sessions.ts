import { SESSION_STATES, type SessionState } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { readSessionViews } from '../sessions/record.js'
import type { OperatorSession } from '../types.js'

/** How many sessions are in each state, over all tenants. */
export async function countSessions(client: Redis, keys: Keys): Promise<Record<SessionState, number>> {
  const counts = await client.hgetall(keys.sessionCounts)
  return Object.fromEntries(SESSION_STATES.map((state) => [state, Number(counts[state] ?? 0)])) as Record<
    SessionState,
    number
  >
}

/** Those of all tenants that are kept for longest: as a rule the last that had a turn. Without their options. */
export async function latestSessions(client: Redis, keys: Keys, limit: number): Promise<OperatorSession[]> {
  const ids = await client.zrevrange(keys.sessionsExpiry, 0, limit - 1)
  const tenants = await Promise.all(ids.map((id) => client.hget(keys.session(id), 'tenant')))
  const found = await Promise.all(
    ids.map(async (id, at) => {
      const tenant = tenants[at]
      if (tenant == null) return []
      const [session] = await readSessionViews(client, keys, tenant, [id])
      return session === undefined ? [] : [{ tenant, session }]
    }),
  )
  return found.flat()
}
