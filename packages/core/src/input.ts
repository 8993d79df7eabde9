import type { z } from 'zod'
import { batchRequestSchema } from './api.js'
import { FleetError, type FieldFault } from './errors.js'
import { IDEMPOTENCY_KEY_PATTERN, isPromptTooLong, jobSpecSchema, type JobSpec } from './job.js'
import { findJsonFault } from './json.js'
import { LIMITS } from './limits.js'
import { schedulePatchSchema, scheduleSpecSchema, type SchedulePatch, type ScheduleSpec } from './schedule.js'
import {
  CONVERSATION_FIELDS,
  sessionImportSchema,
  sessionSpecSchema,
  type SessionImport,
  type SessionSpec,
} from './session.js'

/**
 * The checks of what callers send. The API makes them, and so does the client before it sends anything, so that both
 * transports refuse the same input with the same error: a FleetError with `details.errors` of `{path, message}`.
 */

/** One job. Throws FleetError `PAYLOAD_TOO_LARGE` for too long a prompt, `INVALID_REQUEST` for all else. */
export function parseJob(body: unknown): JobSpec {
  refuseLongPrompts([{ value: body, path: 'prompt' }])
  const spec = parseInput(jobSpecSchema, body)
  refuseOptionsOfSession([{ value: body, path: '' }])
  return spec
}

/** A named session. Throws FleetError `INVALID_REQUEST`. */
export function parseSession(body: unknown): SessionSpec {
  return parseInput(sessionSpecSchema, body)
}

/** A session with the memory that it brings. Throws as `parseSession` does. */
export function parseSessionImport(body: unknown): SessionImport {
  return parseInput(sessionImportSchema, body)
}

/** The jobs of a batch `{jobs: [...]}`, in order. Throws as `parseJob` does. */
export function parseBatch(body: unknown): { spec: JobSpec; customId: string | undefined }[] {
  const candidates: unknown = typeof body === 'object' && body !== null && 'jobs' in body ? body.jobs : undefined
  if (Array.isArray(candidates)) {
    refuseLongPrompts(candidates.map((value: unknown, index) => ({ value, path: `jobs.${index}.prompt` })))
  }
  const { jobs } = parseInput(batchRequestSchema, body)
  if (Array.isArray(candidates)) {
    refuseOptionsOfSession(candidates.map((value: unknown, index) => ({ value, path: `jobs.${index}.` })))
  }
  return jobs.map(({ customId, ...spec }) => ({ spec, customId }))
}

/** A schedule. Throws as `parseJob` does. */
export function parseSchedule(body: unknown): ScheduleSpec {
  refuseLongPrompts([{ value: jobOf(body), path: 'job.prompt' }])
  const parsed = parseInput(scheduleSpecSchema, body)
  refuseOptionsOfSession([{ value: jobOf(body), path: 'job.' }])
  return parsed
}

/** What is to change of a schedule. Throws as `parseJob` does. */
export function parseSchedulePatch(body: unknown): SchedulePatch {
  refuseLongPrompts([{ value: jobOf(body), path: 'job.prompt' }])
  const parsed = parseInput(schedulePatchSchema, body)
  refuseOptionsOfSession([{ value: jobOf(body), path: 'job.' }])
  return parsed
}

/** An idempotency key, or undefined for none. Throws FleetError `INVALID_REQUEST`. */
export function parseIdempotencyKey(key: unknown): string | undefined {
  if (key === undefined || (typeof key === 'string' && IDEMPOTENCY_KEY_PATTERN.test(key))) return key
  const message = `must be 1 to ${LIMITS.idempotencyKeyChars} printable ASCII characters`
  throw invalidInput([{ path: 'Idempotency-Key', message }])
}

/** Parses with a schema. Throws FleetError `INVALID_REQUEST` with every fault. */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalidInput(parsed.error.issues.flatMap(faultsOf))
}

/** Throws FleetError `INVALID_REQUEST` for JSON with keys that reach an object's prototype, or nested too deeply. */
export function refuseHostileJson(value: unknown): void {
  const fault = findJsonFault(value)
  if (fault !== undefined) throw invalidInput([fault])
}

/** Bad input, each fault with its field. The first one is the sentence. */
export function invalidInput(
  errors: readonly FieldFault[],
  code: 'INVALID_REQUEST' | 'FORBIDDEN' | 'PAYLOAD_TOO_LARGE' = 'INVALID_REQUEST',
): FleetError {
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  const sentence = first === undefined ? 'the request is not valid' : `${first.path} ${first.message}`.trim() + more
  return new FleetError(code, sentence, { details: { errors } })
}

function jobOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'job' in body ? body.job : undefined
}

function refuseLongPrompts(items: { value: unknown; path: string }[]): void {
  const faults = items.flatMap(({ value, path }) => {
    const isObject = typeof value === 'object' && value !== null
    return isObject && 'prompt' in value && isPromptTooLong(value.prompt)
      ? [{ path, message: `must be at most ${LIMITS.promptBytes} bytes of UTF-8` }]
      : []
  })
  if (faults.length > 0) throw invalidInput(faults, 'PAYLOAD_TOO_LARGE')
}

/** Asked of what the caller wrote: once parsed, an option that was given is not told from a default. */
function refuseOptionsOfSession(items: { value: unknown; path: string }[]): void {
  const faults = items.flatMap(({ value, path }) => {
    if (typeof value !== 'object' || value === null || !('session' in value) || value.session === undefined) return []
    const given = new Map(Object.entries(value))
    return CONVERSATION_FIELDS.filter((field) => given.get(field) !== undefined).map((field) => ({
      path: path + field,
      message: 'is an option of the session and cannot be given beside it',
    }))
  })
  if (faults.length > 0) throw invalidInput(faults)
}

function faultsOf(issue: z.core.$ZodIssue): FieldFault[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is not a known field' }))
  }
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return [{ path: path.join('.'), message }]
}
