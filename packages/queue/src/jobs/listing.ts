import { isFleetError, type JobListQuery, type JobPage, type JobView } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import { VIEW_FIELDS, viewOf } from './record.js'

/** Entries of an index that are read at once. */
export const SLICE = 128
/** Jobs looked at for one page, at most; a page that ends here still has a cursor to go on from. */
const SCAN_MAX = 5_000
const RIPEN_MAX = 500

/** One page of a tenant's jobs, newest first. Reads the narrowest index that fits and filters by the rest. */
export async function listJobs(client: Redis, keys: Keys, tenant: string, query: JobListQuery): Promise<JobPage> {
  if (query.state === 'waiting' || query.state === 'delayed' || query.state === 'parked') {
    await runScript(client, 'fleetRipen', keys.due, [keys.prefix, '', RIPEN_MAX])
  }
  const index = indexFor(keys, tenant, query)
  const items: JobView[] = []
  let position = parseCursor(query.cursor)
  for (let scanned = 0; scanned < SCAN_MAX;) {
    const slice = await readSlice(client, index, position)
    const views = await readViews(client, keys, tenant, slice)
    for (const entry of slice) {
      const view = views.get(entry.id)
      // A record that outlived its retention leaves its index entry to the janitor.
      if (view !== undefined && fits(view, query)) items.push(view)
      position = entry
      if (items.length === query.limit) {
        const more = slice[slice.length - 1] !== entry || slice.length === SLICE
        return more ? { items, nextCursor: `${entry.createdAt}-${entry.id}` } : { items }
      }
    }
    if (slice.length < SLICE) return { items }
    scanned += slice.length
  }
  return position === undefined ? { items } : { items, nextCursor: `${position.createdAt}-${position.id}` }
}

export interface Position {
  createdAt: number
  id: string
}

function indexFor(keys: Keys, tenant: string, query: JobListQuery): string {
  if (query.batch !== undefined) return keys.batch(tenant, query.batch)
  if (query.session !== undefined) return keys.sessionJobs(tenant, query.session)
  if (query.state !== undefined) return keys.state(tenant, query.state)
  return keys.jobs(tenant)
}

function fits(view: JobView, query: JobListQuery): boolean {
  return (
    (query.state === undefined || view.state === query.state) &&
    (query.session === undefined || view.session === query.session) &&
    (query.batch === undefined || view.batch === query.batch)
  )
}

/** The next entries below `after`: by time, and among equal times by id, both falling, as Redis orders them. */
export async function readSlice(client: Redis, index: string, after: Position | undefined): Promise<Position[]> {
  const slice: Position[] = []
  const max = after === undefined ? '+inf' : String(after.createdAt)
  for (let offset = 0; slice.length < SLICE; offset += SLICE) {
    const flat = await client.zrevrangebyscore(index, max, '-inf', 'WITHSCORES', 'LIMIT', offset, SLICE)
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const entry = { id: flat[at] ?? '', createdAt: Number(flat[at + 1]) }
      // A whole batch shares one moment, so the cursor's own moment may hold entries of both sides.
      if (after !== undefined && entry.createdAt === after.createdAt && entry.id >= after.id) continue
      if (slice.length < SLICE) slice.push(entry)
    }
    if (flat.length < 2 * SLICE) break
  }
  return slice
}

async function readViews(client: Redis, keys: Keys, tenant: string, slice: readonly Position[]) {
  const pipeline = client.pipeline()
  for (const { id } of slice) pipeline.hmget(keys.job(id), ...VIEW_FIELDS)
  const replies = (await pipeline.exec()) ?? []
  const views = new Map<string, JobView>()
  for (const [at, { id }] of slice.entries()) {
    const [fault, values] = replies[at] ?? [null, []]
    if (fault !== null) throw fault
    const view = viewUnlessBroken(id, values as (string | null)[], tenant)
    if (view !== undefined) views.set(id, view)
  }
  return views
}

/** Redis can be written by others. Whoever asks for that job is told that its record is broken; the others are listed. */
function viewUnlessBroken(id: string, values: readonly (string | null)[], tenant: string): JobView | undefined {
  try {
    return viewOf(id, values, tenant)
  } catch (error) {
    if (isFleetError(error) && error.code === 'INTERNAL') return undefined
    throw error
  }
}

export function parseCursor(cursor: string | undefined): Position | undefined {
  if (cursor === undefined) return undefined
  const dash = cursor.indexOf('-')
  return { createdAt: Number(cursor.slice(0, dash)), id: cursor.slice(dash + 1) }
}
