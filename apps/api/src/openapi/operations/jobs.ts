import {
  batchReplySchema,
  batchRequestSchema,
  JOB_ID_PATTERN,
  IDEMPOTENCY_KEY_PATTERN,
  jobListQuerySchema,
  jobPageSchema,
  jobSpecSchema,
  jobViewSchema,
  LIMITS,
  pendingJobSchema,
  streamEventSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import { EXAMPLES } from '../examples.js'
import type { Operation, Reply } from '../operation.js'

/** How long the end of a job is waited for. */
export const resultQuerySchema = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, `must be a whole number of seconds from 0 to ${LIMITS.resultWaitSeconds}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .int()
        .min(0)
        .max(LIMITS.resultWaitSeconds, `must be at most ${LIMITS.resultWaitSeconds} seconds; ask again for more`),
    )
    .default(0)
    .describe('Seconds to wait for the end at most.'),
})

const position = z
  .string()
  .regex(/^\d{1,15}$/, 'must be the seq of an event, or 0')
  .transform(Number)
  .pipe(z.number().int().min(0))
  .optional()

/** Where a stream goes on: after the event with this `seq`. */
export const eventsQuerySchema = z.strictObject({ after: position.describe('The `seq` after which to begin.') })
export const eventsHeaderSchema = z.object({
  'Last-Event-ID': position.describe('As `after`, and wins over it: browsers send it when they reconnect.'),
})

export const idempotencyHeaderSchema = z.object({
  'Idempotency-Key': z
    .string()
    .regex(IDEMPOTENCY_KEY_PATTERN)
    .optional()
    .describe('1 to 255 printable ASCII characters, kept for 24 h.'),
})

const params = z.object({ id: z.string().regex(JOB_ID_PATTERN).describe('Id of the job.') })

const jobReply = (description: string, example: unknown): Reply => ({
  description,
  content: { type: 'application/json', schema: jobViewSchema, example },
})

const batchReply = (description: string): Reply => ({
  description,
  content: { type: 'application/json', schema: batchReplySchema, example: EXAMPLES.batchReply },
})

/** `/v1/jobs` and what is below it. */
export const jobOperations = {
  enqueueJob: {
    method: 'post',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'Enqueue a prompt',
    description:
      'The job is kept in Redis before it is answered. With an `Idempotency-Key` the call is safe to repeat for 24 h: ' +
      'the same key with the same body gives the same job.',
    scope: 'enqueue',
    headers: idempotencyHeaderSchema,
    body: {
      schema: jobSpecSchema,
      limitBytes: LIMITS.jobBodyBytes,
      examples: { 'a prompt': EXAMPLES.jobRequest, 'with options': EXAMPLES.fullJobRequest },
    },
    replies: {
      200: {
        ...jobReply('The job that an earlier call with this key and body made.', EXAMPLES.waitingJob),
        headers: ['location'],
      },
      202: { ...jobReply('Enqueued.', EXAMPLES.waitingJob), headers: ['location'] },
    },
    errors: ['IDEMPOTENCY_MISMATCH', 'NOT_FOUND', 'SESSION_CLOSED', 'MAX_BUDGET'],
  },
  enqueueBatch: {
    method: 'post',
    path: '/v1/jobs/batch',
    tag: 'jobs',
    summary: 'Enqueue up to 1,000 prompts',
    description:
      'All are checked before any is enqueued. With an `Idempotency-Key` the call is safe to repeat for 24 h: the same ' +
      'key with the same jobs completes what was begun, and gives the same ids.',
    scope: 'enqueue',
    headers: idempotencyHeaderSchema,
    body: {
      schema: batchRequestSchema,
      limitBytes: LIMITS.batchBodyBytes,
      examples: { 'two prompts': EXAMPLES.batchRequest },
    },
    replies: {
      200: batchReply('The batch that an earlier call with this key and these jobs made.'),
      202: batchReply('All enqueued; the ids are in the order of the jobs.'),
    },
    errors: ['IDEMPOTENCY_MISMATCH', 'NOT_FOUND', 'SESSION_CLOSED', 'MAX_BUDGET'],
  },
  listJobs: {
    method: 'get',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'List jobs, newest first',
    scope: 'read',
    query: jobListQuerySchema,
    replies: {
      200: {
        description: 'One page. `nextCursor` is there when there is another.',
        content: { type: 'application/json', schema: jobPageSchema, example: EXAMPLES.jobPage },
      },
    },
  },
  getJob: {
    method: 'get',
    path: '/v1/jobs/:id',
    tag: 'jobs',
    summary: 'Get a job',
    scope: 'read',
    params,
    replies: { 200: jobReply('The job; with `result` or `error` when it has ended.', EXAMPLES.completedJob) },
  },
  streamEvents: {
    method: 'get',
    path: '/v1/jobs/:id/events',
    tag: 'jobs',
    summary: 'Follow the events of a job',
    description:
      'Server-Sent Events: what has been, from the start or after a position, then what comes, until the last event. ' +
      '`id:` is the `seq`, `event:` the `type`, `data:` the event as JSON. `: ping` every 15 s keeps the line open. A ' +
      'stream that ends without a `completed`, `failed` or `cancelled` broke off: come back with the last `id`. A ' +
      'client that goes away cancels nothing.',
    scope: 'read',
    params,
    query: eventsQuerySchema,
    headers: eventsHeaderSchema,
    replies: {
      200: {
        description: 'The stream.',
        headers: ['cache-control', 'x-accel-buffering'],
        content: { type: 'text/event-stream', schema: streamEventSchema, example: EXAMPLES.eventStream },
      },
      204: { description: 'The client has the last event already; a browser stops reconnecting.' },
    },
  },
  waitForResult: {
    method: 'get',
    path: '/v1/jobs/:id/result',
    tag: 'jobs',
    summary: 'Wait for the outcome of a job',
    scope: 'read',
    params,
    query: resultQuerySchema,
    replies: {
      200: jobReply('It has ended.', EXAMPLES.completedJob),
      202: {
        description: 'Not yet; ask again.',
        content: { type: 'application/json', schema: pendingJobSchema, example: EXAMPLES.pendingJob },
      },
    },
  },
  cancelJob: {
    method: 'delete',
    path: '/v1/jobs/:id',
    tag: 'jobs',
    summary: 'Cancel a job',
    description: 'A waiting job never starts; a running turn is interrupted and its processes end.',
    scope: 'enqueue',
    params,
    replies: {
      200: jobReply('It had ended already.', EXAMPLES.completedJob),
      202: jobReply('It ends; its last event tells when.', EXAMPLES.waitingJob),
    },
  },
  retryJob: {
    method: 'post',
    path: '/v1/jobs/:id/retry',
    tag: 'jobs',
    summary: 'Run a job again, as a new one',
    description: 'Same prompt and options; `retryOf` names the old job, whose stream stays as it ended.',
    scope: 'enqueue',
    params,
    replies: { 202: { ...jobReply('The new job.', EXAMPLES.retriedJob), headers: ['location'] } },
    errors: ['SESSION_CLOSED', 'MAX_BUDGET'],
  },
} as const satisfies Record<string, Operation>
