import type { JobListQuery, JobView } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { readEnvelope } from '../jobs/envelope.js'
import { listJobs } from '../jobs/listing.js'
import { VIEW_FIELDS, viewOf } from '../jobs/record.js'
import { parseJson } from '../jobs/seal.js'
import type { FoundJob, OperatorJob, OperatorPage } from '../types.js'

/** A job of whatever tenant, and what it was asked, as far as that can still be read. */
export async function findJob(client: Redis, keys: Keys, id: string): Promise<FoundJob | undefined> {
  const [fields, data] = await Promise.all([
    client.hmget(keys.job(id), ...VIEW_FIELDS),
    client.hget(keys.bullJob(id), 'data'),
  ])
  const tenant = fields[VIEW_FIELDS.indexOf('tenant')]
  const job = tenant == null ? undefined : viewOf(id, fields, tenant)
  if (tenant == null || job === undefined) return undefined
  const opened = readEnvelope(id, parseJson(data ?? undefined))
  return { tenant, job, ...('envelope' in opened && { spec: opened.envelope.spec }) }
}

/** One page of the jobs of these tenants together, newest first. */
export async function listOf(
  client: Redis,
  keys: Keys,
  tenants: readonly string[],
  query: JobListQuery,
): Promise<OperatorPage> {
  const pages = await Promise.all(
    tenants.map(async (tenant) => ({ tenant, page: await listJobs(client, keys, tenant, query) })),
  )
  const all: OperatorJob[] = pages.flatMap(({ tenant, page }) => page.items.map((job) => ({ tenant, job })))
  all.sort((a, b) => newestFirst(a.job, b.job))
  const items = all.slice(0, query.limit)
  const more = all.length > query.limit || pages.some(({ page }) => page.nextCursor !== undefined)
  const last = items.at(-1)?.job
  return more && last !== undefined ? { items, nextCursor: `${last.createdAt}-${last.id}` } : { items }
}

/** As the indexes are ordered: by time, then by id, both falling. */
function newestFirst(a: JobView, b: JobView): number {
  if (a.createdAt !== b.createdAt) return b.createdAt - a.createdAt
  return a.id < b.id ? 1 : -1
}
