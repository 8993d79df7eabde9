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
  attempt: z.number().describe('Attempts begun so far.'),
  createdAt: z.number(),
  startedAt: z.number().optional().describe('Start of the first attempt.'),
  finishedAt: z.number().optional(),
  worker: z.string().optional().describe('The worker of the latest attempt.'),
  metadata: z.record(z.string(), z.string()),
  costUsd: z.number().describe('Sums over all attempts, also of a job that failed.'),
  usage: usageSchema,
  attempts: z
    .array(attemptViewSchema)
    .optional()
    .describe('Every attempt with its own cost, oldest first; in the answer about one job, not in lists.'),
  result: jobResultSchema.optional(),
  error: jobErrorSchema.optional(),
  resumesAt: z.number().optional(),
  runsAt: z.number().optional().describe('When a delayed job may begin at the earliest.'),
  retryOf: z.string().optional(),
  schedule: z.string().optional().describe('The schedule that made the job.'),
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

/** What is said of a job whose end was waited for in vain. */
export const pendingJobSchema = z.object({ id: z.string(), state: z.enum(JOB_STATES) })

/** A live worker as the API shows it. */
export const workerViewSchema = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  claudeVersion: z.string(),
  limit: z.number().describe('Attempts it runs at once, at most.'),
  running: z.number(),
  spares: z.number(),
  credentials: z.array(z.string()).describe('Names only.'),
  labels: z.array(z.string()).default([]).describe('Of the worker; sessions may ask for them.'),
  pausedReason: z.string().optional().describe('Why it claims nothing now: `draining`, or undefined when it does.'),
  lastSeen: z.number().describe('ms since the epoch.'),
})
export type WorkerView = z.infer<typeof workerViewSchema>
export const workerListSchema = z.object({ items: z.array(workerViewSchema) })
/** From the best to the worst for a job. */
export const CREDENTIAL_STATES = ['open', 'trying', 'parked', 'broken'] as const
const credentialValueSchema = z.object({
  state: z
    .enum(CREDENTIAL_STATES)
    .describe(
      '`parked`: until its usage limit resets. `broken`: the API refuses it, and its jobs wait until it is resumed. `trying`: it was resumed, and one job tries it.',
    ),
  code: z.enum(JOB_ERROR_CODES).optional().describe('What closed it.'),
  message: z.string().optional(),
  since: z.number().optional().describe('ms since the epoch.'),
  resumesAt: z.number().optional().describe('ms since the epoch; of one that is parked.'),
  lastSeen: z.number().optional().describe('When a worker last had it, ms since the epoch.'),
})
export type CredentialValue = z.infer<typeof credentialValueSchema>
export const credentialViewSchema = credentialValueSchema.omit({ lastSeen: true }).extend({
  name: z.string(),
  jobs: z.number().describe('Jobs of all tenants that are held until it is open.'),
  values: z.array(credentialValueSchema).describe('Workers may have different values of one name: how each is.'),
})
export type CredentialView = z.infer<typeof credentialViewSchema>
export const credentialListSchema = z.object({ items: z.array(credentialViewSchema) })

export const drainReplySchema = z.object({ id: z.string(), draining: z.literal(true) })

const quantiles = z.object({ p50: z.number(), p90: z.number(), p99: z.number() })
export const poolCountersSchema = z.object({
  created: z.number(),
  reused: z.number(),
  spare: z.number(),
  cold: z.number(),
  destroyed: z.number(),
})
export type PoolCounters = z.infer<typeof poolCountersSchema>

/**
 * Why a worker ended a `claude` process.
 * - `used`: it had served, and none is kept; `not_reusable`: nor was it proven to be as new;
 * - `turns`, `age`, `memory`: it had served, lived or grown enough; `idle`: nobody wanted it for long;
 * - `room`: another spec had more need of its place; `outdated`: a start would bring another claude or folder;
 * - `died`: by itself; `given_up`: nobody wanted it any more when it was ready;
 * - `discarded`: the attempt did not succeed; `drained`: the pool was.
 */
export const PROCESS_END_REASONS = [
  'used',
  'not_reusable',
  'turns',
  'age',
  'memory',
  'idle',
  'room',
  'outdated',
  'died',
  'given_up',
  'discarded',
  'drained',
] as const
export type ProcessEndReason = (typeof PROCESS_END_REASONS)[number]

/** Figures of the fleet as one tenant sees it. */
export const statsSchema = z.object({
  jobs: z.record(z.enum(JOB_STATES), z.number()),
  oldestWaitingMs: z.number(),
  throughput: z
    .object({ lastMinute: z.number(), lastHour: z.number() })
    .describe('Jobs that ended in the last minute and the last hour.'),
  latencyMs: z
    .object({ queue: quantiles, firstText: quantiles, total: quantiles })
    .describe('ms, over the last hour; upper bounds of histogram buckets.'),
  pool: poolCountersSchema,
  costUsd: z.number().describe('Totals since the retention began counting.'),
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

/** What probes are told when all is well; a problem document when not. */
export const healthSchema = z.object({
  status: z.enum(['ok', 'ready']),
  /** What an operator should look at, though it serves. */
  detail: z.string().optional(),
})
