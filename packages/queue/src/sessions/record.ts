import { conversationSchema, FleetError, JOB_ERROR_CODES, SESSION_STATES, type SessionView } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'
import type { Keys } from '../keys.js'

/** Fields of a session's hash but its options, which may hold a system prompt of 256 KiB. */
const LIST_FIELDS = [
  'tenant',
  'state',
  'turns',
  'job',
  'costUsd',
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheCreationTokens',
  'createdAt',
  'updatedAt',
  'expiresAt',
  'ttlMs',
  'worker',
  'transcriptBytes',
  'labels',
  'metadata',
  'maxBudgetUsd',
  'parent',
  'error',
] as const
const FIELDS = [...LIST_FIELDS, 'spec', 'mac'] as const

const json = <S extends z.ZodType>(schema: S) => z.string().transform(parseJson).pipe(schema)
const count = z.coerce.number().default(0)

const recordSchema = z.object({
  tenant: z.string(),
  state: z.enum(SESSION_STATES),
  turns: count,
  job: z.string().optional(),
  costUsd: count,
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheCreationTokens: count,
  createdAt: z.coerce.number(),
  updatedAt: z.coerce.number(),
  expiresAt: z.coerce.number(),
  ttlMs: z.coerce.number(),
  worker: z.string().optional(),
  transcriptBytes: count,
  labels: json(z.array(z.string())).default([]),
  metadata: json(z.record(z.string(), z.string())).default({}),
  maxBudgetUsd: z.coerce.number().optional(),
  parent: z.string().optional(),
  error: json(z.object({ code: z.enum(JOB_ERROR_CODES), message: z.string() })).optional(),
  /** Options of the conversation, JSON that is still to be verified and parsed. */
  spec: z.string().transform(parseJson).optional(),
  /** Over its id, tenant and spec; missing where the fleet has no key. */
  mac: z.string().optional(),
})
export type SessionRecord = z.output<typeof recordSchema>

/** A session with its options, or undefined where the tenant has none. Throws FleetError `INTERNAL` for a broken record. */
export async function readSession(
  client: Redis,
  keys: Keys,
  tenant: string,
  id: string,
): Promise<{ record: SessionRecord; queued: number } | undefined> {
  const [values, queued] = await Promise.all([
    client.hmget(keys.session(id), ...FIELDS),
    client.zcard(keys.sessionTurns(id)),
  ])
  const record = recordOf(id, FIELDS, values, tenant)
  return record === undefined ? undefined : { record, queued }
}

/** The sessions with these ids as their tenant sees them, without their options. Undefined where there is none. */
export async function readSessionViews(
  client: Redis,
  keys: Keys,
  tenant: string,
  ids: readonly string[],
): Promise<(SessionView | undefined)[]> {
  const pipeline = client.pipeline()
  for (const id of ids) pipeline.hmget(keys.session(id), ...LIST_FIELDS).zcard(keys.sessionTurns(id))
  const replies = (await pipeline.exec()) ?? []
  const reply = (at: number): unknown => {
    const [fault, value] = replies[at] ?? [null, null]
    if (fault !== null) throw fault
    return value
  }
  return ids.map((id, at) => {
    const record = recordOf(id, LIST_FIELDS, reply(2 * at) as (string | null)[], tenant)
    return record === undefined ? undefined : sessionView(id, record, reply(2 * at + 1) as number)
  })
}

/** A session as its tenant sees it; with its options where the record has them. */
export function sessionView(id: string, record: SessionRecord, queued: number): SessionView {
  const { inputTokens, outputTokens, cacheReadTokens, cacheCreationTokens } = record
  const { job, worker, maxBudgetUsd, parent, error } = record
  const options = record.spec === undefined ? undefined : conversationSchema.safeParse(record.spec).data
  return {
    id,
    state: record.state,
    turns: record.turns,
    queued,
    ...(job === undefined ? {} : { job }),
    costUsd: record.costUsd,
    usage: { inputTokens, outputTokens, cacheReadTokens, cacheCreationTokens },
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    expiresAt: record.expiresAt,
    ttlMs: record.ttlMs,
    ...(worker === undefined ? {} : { worker }),
    transcriptBytes: record.transcriptBytes,
    labels: record.labels,
    metadata: record.metadata,
    ...(maxBudgetUsd === undefined ? {} : { maxBudgetUsd }),
    ...(parent === undefined ? {} : { parent }),
    ...(error === undefined ? {} : { error }),
    ...(options === undefined ? {} : { options }),
  }
}

function recordOf(
  id: string,
  names: readonly string[],
  values: readonly (string | null)[],
  tenant: string,
): SessionRecord | undefined {
  const fields = Object.fromEntries(names.flatMap((name, at) => (values[at] == null ? [] : [[name, values[at]]])))
  if (fields['tenant'] !== tenant) return undefined
  const parsed = recordSchema.safeParse(fields)
  if (parsed.success) return parsed.data
  throw new FleetError('INTERNAL', `the record of ${id} is broken`, { cause: parsed.error })
}
