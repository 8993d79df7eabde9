import { FleetError, JOB_STATES, type JobView } from '@claude-fleet/core'
import { z } from 'zod'
import { parseJson, parseSeal } from './seal.js'

/** Fields of a job's record that its view is made of. */
export const VIEW_FIELDS = [
  'tenant',
  'state',
  'attempt',
  'createdAt',
  'startedAt',
  'finishedAt',
  'worker',
  'metadata',
  'costUsd',
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheCreationTokens',
  'seal',
  'resumesAt',
  'dueAt',
  'retryOf',
  'session',
  'batch',
  'customId',
  'schedule',
] as const

const viewRecordSchema = z.object({
  tenant: z.string(),
  state: z.enum(JOB_STATES),
  attempt: z.coerce.number(),
  createdAt: z.coerce.number(),
  startedAt: z.coerce.number().optional(),
  finishedAt: z.coerce.number().optional(),
  worker: z.string().optional(),
  metadata: z.string().transform(parseJson).pipe(z.record(z.string(), z.string())).default({}),
  costUsd: z.coerce.number().default(0),
  inputTokens: z.coerce.number().default(0),
  outputTokens: z.coerce.number().default(0),
  cacheReadTokens: z.coerce.number().default(0),
  cacheCreationTokens: z.coerce.number().default(0),
  seal: z.string().transform(parseSeal).optional(),
  resumesAt: z.coerce.number().optional(),
  dueAt: z.coerce.number().optional(),
  retryOf: z.string().optional(),
  session: z.string().optional(),
  batch: z.string().optional(),
  customId: z.string().optional(),
  schedule: z.string().optional(),
})

/**
 * The job as its tenant sees it, from the values of `VIEW_FIELDS`. Undefined when there is no record, or when it is
 * another tenant's. Throws FleetError `INTERNAL` when the record is broken.
 */
export function viewOf(id: string, values: readonly (string | null)[], tenant: string): JobView | undefined {
  const fields = Object.fromEntries(VIEW_FIELDS.flatMap((name, at) => (values[at] == null ? [] : [[name, values[at]]])))
  if (fields['tenant'] !== tenant) return undefined
  const parsed = viewRecordSchema.safeParse(fields)
  if (!parsed.success)
    throw new FleetError('INTERNAL', `the record of ${id} is broken`, { jobId: id, cause: parsed.error })
  const record = parsed.data
  const waitedEnough = record.state === 'delayed' && record.dueAt !== undefined && record.dueAt <= Date.now()
  return {
    id,
    state: waitedEnough ? 'waiting' : record.state,
    attempt: record.attempt,
    createdAt: record.createdAt,
    metadata: record.metadata,
    costUsd: record.costUsd,
    usage: {
      inputTokens: record.inputTokens,
      outputTokens: record.outputTokens,
      cacheReadTokens: record.cacheReadTokens,
      cacheCreationTokens: record.cacheCreationTokens,
    },
    ...present('startedAt', record.startedAt),
    ...present('finishedAt', record.finishedAt),
    ...present('worker', record.worker),
    ...present('resumesAt', record.resumesAt),
    ...present('runsAt', record.state === 'delayed' && !waitedEnough ? record.dueAt : undefined),
    ...present('retryOf', record.retryOf),
    ...present('session', record.session),
    ...present('batch', record.batch),
    ...present('customId', record.customId),
    ...present('schedule', record.schedule),
    ...(record.seal?.type === 'completed' ? { result: record.seal.result } : {}),
    ...(record.seal?.type === 'failed' ? { error: record.seal.error } : {}),
    ...(record.seal?.type === 'cancelled' ? { error: cancelledError(record.seal.reason, record.seal.attempt) } : {}),
  }
}

function cancelledError(reason: string, attempt: number) {
  return { code: 'CANCELLED' as const, message: reason, retryable: false, attempt, details: {} }
}

function present<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}
