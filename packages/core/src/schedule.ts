import { z } from 'zod'
import { cronFault, isTimeZone } from './cron.js'
import { JOB_ERROR_CODES } from './errors.js'
import { jobSpecSchema, metadataSchema, wholeNumber } from './job.js'
import { DEFAULTS, LIMITS } from './limits.js'

/** Shapes of a schedule: a job that is enqueued at the times of a cron expression. */

export const SCHEDULE_ID_PATTERN = /^c_[a-z2-7]{26}$/

/**
 * What happens at a time when the job of the time before has not ended. `skip`: nothing (Kubernetes: Forbid). `allow`:
 * another job beside it (Allow). `replace`: the old job is cancelled and another enqueued (Replace).
 */
export const OVERLAP_POLICIES = ['skip', 'allow', 'replace'] as const
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number]

const name = z
  .string()
  .regex(/^[^\p{Cc}]{1,128}$/u, 'must be 1 to 128 printable characters')
  .describe('For people; need not be unique.')

const cron = z
  .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be a string') })
  .max(LIMITS.cronChars)
  .transform((text) => text.trim())
  .superRefine((text, context) => {
    const fault = cronFault(text)
    if (fault !== undefined) context.addIssue(fault)
  })
  .describe(
    'When: minute, hour, day of month, month, day of week; with a sixth field before them, the second; or `@hourly`, ' +
      '`@daily`, `@weekly`, `@monthly`, `@yearly`. At most once a minute.',
  )

const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
  .describe('Zone of the times, an IANA name.')

const overlap = z
  .enum(OVERLAP_POLICIES)
  .describe(
    'When the job before has not ended: `skip` this time, `allow` another job beside it, or `replace` it: it is cancelled.',
  )

const catchUpMs = wholeNumber(LIMITS.catchUpMinMs, LIMITS.catchUpMs).describe(
  'How late a job may still be enqueued when no worker was there at its time, ms. Of several missed times the last alone.',
)

const enabled = z.boolean().describe('false: paused. It keeps everything and enqueues nothing.')

const job = jobSpecSchema.describe('The job that is enqueued, as in `POST /v1/jobs`.')

/** A schedule as a caller writes it, with every default filled in. */
export const scheduleSpecSchema = z.strictObject({
  name: name.optional(),
  cron,
  timeZone: timeZone.default(DEFAULTS.timeZone),
  overlap: overlap.default(DEFAULTS.overlap),
  catchUpMs: catchUpMs.default(DEFAULTS.catchUpMs),
  enabled: enabled.default(true),
  job,
  metadata: metadataSchema.default({}).describe("The schedule's own, returned untouched; its jobs have that of `job`."),
})
export type ScheduleSpec = z.output<typeof scheduleSpecSchema>
export type ScheduleInput = z.input<typeof scheduleSpecSchema>

/** What is to change of a schedule; what is left out stays. `job` and `metadata` are replaced as a whole. */
export const schedulePatchSchema = z
  .strictObject({
    name: name.optional(),
    cron: cron.optional(),
    timeZone: timeZone.optional(),
    overlap: overlap.optional(),
    catchUpMs: catchUpMs.optional(),
    enabled: enabled.optional(),
    job: job.optional(),
    metadata: metadataSchema.optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, 'nothing is to be changed')
export type SchedulePatch = z.output<typeof schedulePatchSchema>
export type SchedulePatchInput = z.input<typeof schedulePatchSchema>

/** A schedule as the API shows it. Times are ms since the epoch. */
export const scheduleViewSchema = z.object({
  id: z.string(),
  name: z.string().optional(),
  cron: z.string(),
  timeZone: z.string(),
  overlap: z.enum(OVERLAP_POLICIES),
  catchUpMs: z.number(),
  enabled: z.boolean(),
  metadata: z.record(z.string(), z.string()),
  createdAt: z.number(),
  updatedAt: z.number(),
  nextRunAt: z.number().optional().describe('Not there while it is paused. In the past: no worker was there yet.'),
  lastRunAt: z.number().optional().describe('When it last enqueued a job.'),
  lastJobId: z.string().optional(),
  job: jobSpecSchema.optional().describe('In the answer about one schedule, not in lists.'),
})
export type ScheduleView = z.infer<typeof scheduleViewSchema>

export const scheduleListQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMITS.listItems).default(DEFAULTS.listItems),
  cursor: z
    .string()
    .regex(/^\d{1,16}-[a-z0-9_]{1,64}$/, 'must be a nextCursor of an earlier page')
    .optional(),
})
export type ScheduleListQuery = z.output<typeof scheduleListQuerySchema>

export const schedulePageSchema = z.object({ items: z.array(scheduleViewSchema), nextCursor: z.string().optional() })
export type SchedulePage = z.infer<typeof schedulePageSchema>

/** What became of one time of a schedule. */
export const scheduleRunSchema = z.object({
  at: z.number().describe('The time that it was for, ms since the epoch.'),
  recordedAt: z.number().describe('When it was dealt with.'),
  trigger: z.enum(['cron', 'manual']),
  outcome: z
    .enum(['enqueued', 'skipped', 'missed', 'failed'])
    .describe(
      '`skipped`: the job before had not ended. `missed`: no worker was there in time. `failed`: see `error`; no job was made.',
    ),
  jobId: z.string().optional().describe('Of `enqueued`: the job. Of `skipped`: the job that had not ended.'),
  replaced: z.string().optional().describe('The job that was cancelled for this one.'),
  error: z.object({ code: z.enum(JOB_ERROR_CODES), message: z.string() }).optional(),
})
export type ScheduleRun = z.infer<typeof scheduleRunSchema>

export const scheduleHistorySchema = z.object({ items: z.array(scheduleRunSchema) })
