import {
  batchRequestSchema,
  findPolicyFault,
  IDEMPOTENCY_KEY_PATTERN,
  isPromptTooLong,
  jobSpecSchema,
  LIMITS,
  type FieldFault,
  type JobPolicy,
  type JobSpec,
} from '@claude-fleet/core'
import type { Request } from 'express'
import type { z } from 'zod'
import { invalid } from '@claude-fleet/http'

/** The job of a `POST /v1/jobs`. Throws FleetError: `PAYLOAD_TOO_LARGE`, `INVALID_REQUEST` or `FORBIDDEN`, each naming the field. */
export function jobInput(body: object, policy: JobPolicy): JobSpec {
  refuseLongPrompts([{ value: body, path: 'prompt' }])
  const spec = parseInput(jobSpecSchema, body)
  refuseByPolicy([{ spec, path: '' }], policy)
  return spec
}

/** The jobs of a `POST /v1/jobs/batch`; all are checked before any is returned. Throws as `jobInput` does. */
export function batchInput(body: object, policy: JobPolicy): { spec: JobSpec; customId: string | undefined }[] {
  const candidates: unknown = 'jobs' in body ? body.jobs : undefined
  if (Array.isArray(candidates)) {
    refuseLongPrompts(candidates.map((value: unknown, index) => ({ value, path: `jobs.${index}.prompt` })))
  }
  const items = parseInput(batchRequestSchema, body).jobs.map(({ customId, ...spec }) => ({ spec, customId }))
  refuseByPolicy(
    items.map(({ spec }, index) => ({ spec, path: `jobs.${index}.` })),
    policy,
  )
  return items
}

/** Parses with a schema. Throws FleetError `INVALID_REQUEST` with every fault. */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error.issues.flatMap(faultsOf))
}

/** The `Idempotency-Key` of a request. Throws FleetError `INVALID_REQUEST`. */
export function idempotencyKey(req: Request): string | undefined {
  const key = req.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && IDEMPOTENCY_KEY_PATTERN.test(key)) return key
  throw invalid([
    { path: 'Idempotency-Key', message: `must be 1 to ${LIMITS.idempotencyKeyChars} printable ASCII characters` },
  ])
}

/** A promise that is not kept must not be taken for kept: only `POST /v1/jobs` is safe to repeat. */
export function refuseIdempotencyKey(req: Request): void {
  if (req.headers['idempotency-key'] === undefined) return
  throw invalid([{ path: 'Idempotency-Key', message: 'is honoured by POST /v1/jobs only' }])
}

function refuseLongPrompts(items: { value: unknown; path: string }[]): void {
  const faults = items.flatMap(({ value, path }) => {
    const isObject = typeof value === 'object' && value !== null
    return isObject && 'prompt' in value && isPromptTooLong(value.prompt)
      ? [{ path, message: `must be at most ${LIMITS.promptBytes} bytes of UTF-8` }]
      : []
  })
  if (faults.length > 0) throw invalid(faults, 'PAYLOAD_TOO_LARGE')
}

function refuseByPolicy(items: { spec: JobSpec; path: string }[], policy: JobPolicy): void {
  for (const { spec, path } of items) {
    const fault = findPolicyFault(spec, policy)
    if (fault !== undefined) throw invalid([{ path: path + fault.path, message: fault.message }], fault.code)
  }
}

function faultsOf(issue: z.core.$ZodIssue): FieldFault[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is not a known field' }))
  }
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return [{ path: path.join('.'), message }]
}
