import {
  type batchRequestSchema,
  FleetError,
  jobListQuerySchema,
  LIMITS,
  parseBatch,
  parseInput,
  parseJob,
  refuseHostileJson,
  utf8Bytes,
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
  return { input, spec: parseJob(input) }
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
  const jobs = parseBatch(body)
  if (utf8Bytes(JSON.stringify(body)) > LIMITS.batchBodyBytes) {
    throw new FleetError('PAYLOAD_TOO_LARGE', `the batch is over ${LIMITS.batchBodyBytes} bytes of JSON`)
  }
  return jobs.map(({ spec, customId }, index) => ({ input: items[index] ?? spec, spec, customId }))
}

/** As `checkJob`, for the query of a list. */
export function checkQuery(query: JobsQuery): JobListQuery {
  return parseInput(jobListQuerySchema, query)
}
