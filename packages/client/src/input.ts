import {
  batchRequestSchema,
  FleetError,
  findJsonFault,
  IDEMPOTENCY_KEY_PATTERN,
  isPromptTooLong,
  jobListQuerySchema,
  jobSpecSchema,
  LIMITS,
  utf8Bytes,
  type FieldFault,
  type JobInput,
  type JobListQuery,
  type JobSpec,
} from '@claude-fleet/core'
import type { z } from 'zod'

/** A job of a batch: its input, and the caller's own name for it. */
export type BatchInput = z.input<typeof batchRequestSchema>['jobs'][number]

/** A job that passed the schema: as its caller wrote it, and with every default filled in. */
export interface ValidJob {
  input: JobInput
  spec: JobSpec
}

/** What may be asked of a list of jobs. */
export type JobsQuery = Partial<JobListQuery>

/**
 * The check that the API makes as well, made before anything is sent, so that both transports refuse the same input with
 * the same error. Throws FleetError `INVALID_REQUEST` or `PAYLOAD_TOO_LARGE`, with `details.errors` of `{path, message}`.
 */
export function checkJob(input: JobInput): ValidJob {
  refuseHostileJson(input)
  refuseLongPrompt(input, 'prompt')
  return { input, spec: parse(jobSpecSchema, input) }
}

/** One job of a batch that passed the schema. */
export interface ValidBatchItem {
  input: BatchInput
  spec: JobSpec
  customId: string | undefined
}

/** As `checkJob`, for all jobs of a batch. */
export function checkBatch(items: readonly BatchInput[]): ValidBatchItem[] {
  const body = { jobs: items }
  refuseHostileJson(body)
  if (Array.isArray(items)) items.forEach((item, index) => refuseLongPrompt(item, `jobs.${index}.prompt`))
  const { jobs } = parse(batchRequestSchema, body)
  if (utf8Bytes(JSON.stringify(body)) > LIMITS.batchBodyBytes) {
    throw new FleetError('PAYLOAD_TOO_LARGE', `the batch is over ${LIMITS.batchBodyBytes} bytes of JSON`)
  }
  return jobs.map(({ customId, ...spec }, index) => ({ input: items[index] ?? spec, spec, customId }))
}

/** As `checkJob`, for the query of a list. */
export function checkQuery(query: JobsQuery): JobListQuery {
  return parse(jobListQuerySchema, query)
}

/** As `checkJob`, for an idempotency key. */
export function checkIdempotencyKey(key: string | undefined): void {
  if (key === undefined || (typeof key === 'string' && IDEMPOTENCY_KEY_PATTERN.test(key))) return
  const message = `must be 1 to ${LIMITS.idempotencyKeyChars} printable ASCII characters`
  throw refused([{ path: 'Idempotency-Key', message }])
}

function refuseHostileJson(value: unknown): void {
  const fault = findJsonFault(value)
  if (fault !== undefined) throw refused([fault])
}

function refuseLongPrompt(input: unknown, path: string): void {
  if (typeof input !== 'object' || input === null || !('prompt' in input) || !isPromptTooLong(input.prompt)) return
  throw refused([{ path, message: `must be at most ${LIMITS.promptBytes} bytes of UTF-8` }], 'PAYLOAD_TOO_LARGE')
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw refused(parsed.error.issues.flatMap(faultsOf))
}

function refused(
  errors: readonly FieldFault[],
  code: 'INVALID_REQUEST' | 'PAYLOAD_TOO_LARGE' = 'INVALID_REQUEST',
): FleetError {
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return new FleetError(code, `${first?.path ?? ''} ${first?.message ?? 'is not valid'}`.trim() + more, {
    details: { errors },
  })
}

function faultsOf(issue: z.core.$ZodIssue): FieldFault[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is not a known field' }))
  }
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return [{ path: path.join('.'), message }]
}
