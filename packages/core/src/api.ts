import { z } from 'zod'
import { JOB_ERROR_CODES, API_ERROR_CODES } from './errors.js'
import { BATCH_ID_PATTERN, jobSpecSchema, SESSION_ID_PATTERN } from './job.js'
import { LIMITS, DEFAULTS } from './limits.js'
import { attemptViewSchema, jobErrorSchema, jobResultSchema, usageSchema } from './result.js'
import { JOB_STATES } from './state.js'

/** Shapes of the HTTP API (contract, section 2), shared by the server, the client and the OpenAPI document. */

/** A job as the API shows it. Times are ms since the epoch. */
export const jobViewSchema = z.object({
  id: z.string(),
  state: z.enum(JOB_STATES),
  /** Attempts begun so far. */
  attempt: z.number(),
  createdAt: z.number(),
  /** Start of the first attempt. */
  startedAt: z.number().optional(),
  finishedAt: z.number().optional(),
  /** The worker of the latest attempt. */
  worker: z.string().optional(),
  metadata: z.record(z.string(), z.string()),
  /** Sums over all attempts, also of a job that failed. */
  costUsd: z.number(),
  usage: usageSchema,
  /** Every attempt with its own cost, oldest first; in the answer about one job, not in lists. */
  attempts: z.array(attemptViewSchema).optional(),
  result: jobResultSchema.optional(),
  error: jobErrorSchema.optional(),
  resumesAt: z.number().optional(),
  retryOf: z.string().optional(),
  session: z.string().optional(),
  batch: z.string().optional(),
  customId: z.string().optional(),
})
export type JobView = z.infer<typeof jobViewSchema>

export const jobListQuerySchema = z.strictObject({
  state: z.enum(JOB_STATES).optional(),
  session: z.string().regex(SESSION_ID_PATTERN, 'must be a session id').optional(),
  batch: z.string().regex(BATCH_ID_PATTERN, 'must be a batch id').optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.listItems).default(DEFAULTS.listItems),
  cursor: z
    .string()
    .regex(/^\d{1,16}-[a-z0-9_]{1,64}$/, 'must be a nextCursor of an earlier page')
    .optional(),
})
export type JobListQuery = z.output<typeof jobListQuerySchema>

export const jobPageSchema = z.object({ items: z.array(jobViewSchema), nextCursor: z.string().optional() })
export type JobPage = z.infer<typeof jobPageSchema>

export const batchItemSchema = jobSpecSchema.extend({
  customId: z
    .string()
    .regex(/^[^\p{Cc}]{1,255}$/u, 'must be 1 to 255 printable characters')
    .optional(),
})
export const batchRequestSchema = z.strictObject({ jobs: z.array(batchItemSchema).min(1).max(LIMITS.batchJobs) })
export const batchReplySchema = z.object({
  id: z.string(),
  items: z.array(z.object({ id: z.string(), customId: z.string().optional() })),
})
export type BatchReply = z.infer<typeof batchReplySchema>

/** A live worker as the API shows it. */
export const workerViewSchema = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  claudeVersion: z.string(),
  /** Attempts it runs at once, at most. */
  limit: z.number(),
  running: z.number(),
  spares: z.number(),
  /** Names only. */
  credentials: z.array(z.string()),
  /** Why it claims nothing now: `draining`, or undefined when it does. */
  pausedReason: z.string().optional(),
  /** ms since the epoch. */
  lastSeen: z.number(),
})
export type WorkerView = z.infer<typeof workerViewSchema>
export const workerListSchema = z.object({ items: z.array(workerViewSchema) })

const quantiles = z.object({ p50: z.number(), p90: z.number(), p99: z.number() })
export const poolCountersSchema = z.object({
  created: z.number(),
  reused: z.number(),
  spare: z.number(),
  cold: z.number(),
  destroyed: z.number(),
})
export type PoolCounters = z.infer<typeof poolCountersSchema>

/** Figures of the fleet as one tenant sees it. */
export const statsSchema = z.object({
  jobs: z.record(z.enum(JOB_STATES), z.number()),
  oldestWaitingMs: z.number(),
  /** Jobs that ended in the last minute and the last hour. */
  throughput: z.object({ lastMinute: z.number(), lastHour: z.number() }),
  /** ms, over the last hour; upper bounds of histogram buckets. */
  latencyMs: z.object({ queue: quantiles, firstText: quantiles, total: quantiles }),
  pool: poolCountersSchema,
  /** Totals since the retention began counting. */
  costUsd: z.number(),
  tokens: usageSchema,
  tools: z.record(z.string(), z.number()),
})
export type Stats = z.infer<typeof statsSchema>

/** RFC 9457. Every error answer of the API has this body. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.enum([...JOB_ERROR_CODES, ...API_ERROR_CODES]),
  retryable: z.boolean(),
  requestId: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})
export type Problem = z.infer<typeof problemSchema>
