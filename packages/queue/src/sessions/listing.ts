import type { SessionListQuery, SessionPage, SessionView } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { readSlice, type Position, parseCursor, SLICE } from '../jobs/listing.js'
import { readSessionViews } from './record.js'

/** One page of a tenant's sessions, newest first. */
export async function listSessions(
  client: Redis,
  keys: Keys,
  tenant: string,
  query: SessionListQuery,
): Promise<SessionPage> {
  const items: SessionView[] = []
  let position: Position | undefined = parseCursor(query.cursor)
  for (;;) {
    const slice = await readSlice(client, keys.sessions(tenant), position)
    const ids = slice.map(({ id }) => id)
    const views = await readSessionViews(client, keys, tenant, ids)
    for (const [at, entry] of slice.entries()) {
      const view = views[at]
      if (view !== undefined && (query.state === undefined || view.state === query.state)) items.push(view)
      position = entry
      if (items.length < query.limit) continue
      const more = at + 1 < slice.length || slice.length === SLICE
      return more ? { items, nextCursor: `${entry.createdAt}-${entry.id}` } : { items }
    }
    if (slice.length < SLICE) return { items }
  }
}
