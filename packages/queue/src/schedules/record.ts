import {
  FleetError,
  jobSpecSchema,
  OVERLAP_POLICIES,
  type SchedulePatch,
  type ScheduleSpec,
  type ScheduleView,
} from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'
import type { Keys } from '../keys.js'

/** Fields of a schedule's hash but its job, which is up to 1 MiB. */
const LIST_FIELDS = [
  'tenant',
  'name',
  'cron',
  'timeZone',
  'overlap',
  'catchUpMs',
  'enabled',
  'metadata',
  'createdAt',
  'updatedAt',
  'revision',
  'timing',
  'lastJob',
  'lastRunAt',
] as const
const FIELDS = [...LIST_FIELDS, 'job', 'mac'] as const

const recordSchema = z.object({
  tenant: z.string(),
  name: z.string().optional(),
  // What was accepted once may be refused by a later version; it is still to be seen, changed and removed.
  cron: z.string(),
  timeZone: z.string(),
  overlap: z.enum(OVERLAP_POLICIES),
  catchUpMs: z.coerce.number(),
  enabled: z.enum(['0', '1']).transform((flag) => flag === '1'),
  metadata: z.string().transform(parseJson).pipe(z.record(z.string(), z.string())),
  createdAt: z.coerce.number(),
  updatedAt: z.coerce.number(),
  /** Rises with every change. */
  revision: z.coerce.number(),
  /** Rises when its times change: what was due by those of before is void. */
  timing: z.coerce.number(),
  lastJob: z.string().optional(),
  lastRunAt: z.coerce.number().optional(),
  job: z.string().transform(parseJson).optional(),
  /** Over its id, tenant and job; missing where the fleet has no key. */
  mac: z.string().optional(),
})
export type ScheduleRecord = z.output<typeof recordSchema>

/**
 * A schedule with its job, or undefined where there is none. `tenant`: of this tenant alone. Throws FleetError `INTERNAL`
 * when its record is broken.
 */
export async function readSchedule(
  client: Redis,
  keys: Keys,
  id: string,
  tenant?: string,
): Promise<ScheduleRecord | undefined> {
  return recordOf(id, FIELDS, await client.hmget(keys.schedule(id), ...FIELDS), tenant)
}

/** As `readSchedule`, without the jobs, in the order of the ids. */
export async function readSchedules(client: Redis, keys: Keys, ids: readonly string[], tenant?: string) {
  const pipeline = client.pipeline()
  for (const id of ids) pipeline.hmget(keys.schedule(id), ...LIST_FIELDS)
  const replies = (await pipeline.exec()) ?? []
  return ids.map((id, at) => {
    const [fault, values] = replies[at] ?? [null, []]
    if (fault !== null) throw fault
    return recordOf(id, LIST_FIELDS, values as (string | null)[], tenant)
  })
}

function recordOf(
  id: string,
  names: readonly string[],
  values: readonly (string | null)[],
  tenant: string | undefined,
): ScheduleRecord | undefined {
  const fields = Object.fromEntries(names.flatMap((name, at) => (values[at] == null ? [] : [[name, values[at]]])))
  if (fields['tenant'] === undefined || (tenant !== undefined && fields['tenant'] !== tenant)) return undefined
  const parsed = recordSchema.safeParse(fields)
  if (parsed.success) return parsed.data
  throw new FleetError('INTERNAL', `the record of ${id} is broken`, { cause: parsed.error })
}

/** What of a schedule is in its hash, in pairs. `mac` belongs to its job. */
export function fieldsOf(spec: SchedulePatch | ScheduleSpec, mac: string | undefined): string[] {
  const { name, cron, timeZone, overlap, catchUpMs, enabled, metadata, job } = spec
  const fields = {
    name,
    cron,
    timeZone,
    overlap,
    catchUpMs: catchUpMs?.toString(),
    enabled: enabled === undefined ? undefined : enabled ? '1' : '0',
    metadata: metadata === undefined ? undefined : JSON.stringify(metadata),
    job: job === undefined ? undefined : JSON.stringify(job),
    mac,
  }
  return Object.entries(fields).flatMap(([field, value]) => (value === undefined ? [] : [field, value]))
}

/** A schedule as its tenant sees it. */
export function scheduleView(id: string, record: ScheduleRecord, nextRunAt: number | undefined): ScheduleView {
  const { name, cron, timeZone, overlap, catchUpMs, enabled, metadata, createdAt, updatedAt, lastRunAt } = record
  const job = record.job === undefined ? undefined : jobSpecSchema.safeParse(record.job).data
  return {
    id,
    ...(name === undefined ? {} : { name }),
    cron,
    timeZone,
    overlap,
    catchUpMs,
    enabled,
    metadata,
    createdAt,
    updatedAt,
    ...(enabled && nextRunAt !== undefined ? { nextRunAt } : {}),
    ...(lastRunAt === undefined ? {} : { lastRunAt }),
    ...(record.lastJob === undefined ? {} : { lastJobId: record.lastJob }),
    ...(job === undefined ? {} : { job }),
  }
}
