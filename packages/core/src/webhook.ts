import { z } from 'zod'
import { LIMITS } from './limits.js'
import type { EndState } from './state.js'
import { jobErrorSchema } from './result.js'

/** Webhooks by the Standard Webhooks specification 1.0: what tenants register, and what their receivers get. */

export const WEBHOOK_ID_PATTERN = /^wh_[a-z2-7]{26}$/

/** A secret as a receiver keeps it: `whsec_` and the base64 of its bytes. */
export const WEBHOOK_SECRET_PATTERN = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/

export const WEBHOOK_EVENTS = ['job.completed', 'job.failed', 'job.cancelled'] as const
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number]
/** What `POST /v1/webhooks/:id/test` sends. */
export const WEBHOOK_TEST_EVENT = 'webhook.test'

const url = z
  .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be a string') })
  .max(LIMITS.webhookUrlChars)
  .superRefine((text, context) => {
    const fault = findUrlFault(text)
    if (fault !== undefined) context.addIssue(fault)
  })
  .describe(
    'Where events are posted: `https`, port 443 or 1024 and up, no user or password in it. Private addresses are refused.',
  )

const events = z
  .array(z.enum(WEBHOOK_EVENTS))
  .max(WEBHOOK_EVENTS.length)
  .refine((list) => new Set(list).size === list.length, 'must not name an event twice')
  .describe('Which ends of the tenant’s jobs are told. Empty: only those of jobs that name the endpoint in `webhook`.')

const description = z
  .string()
  .max(256)
  .regex(/^[^\p{Cc}]*$/u, 'must not have control characters')

/** `POST /v1/webhooks`. */
export const webhookInputSchema = z.strictObject({
  url,
  events: events.default([...WEBHOOK_EVENTS]),
  description: description.default('').describe('For people.'),
  enabled: z.boolean().default(true).describe('Whether events are recorded and sent.'),
})
export type WebhookInput = z.input<typeof webhookInputSchema>
export type WebhookSpec = z.output<typeof webhookInputSchema>

/** `PATCH /v1/webhooks/:id`: what is left out stays. */
export const webhookPatchSchema = z
  .strictObject({ url, events, description, enabled: z.boolean() })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'must name a field to change')
export type WebhookPatch = z.output<typeof webhookPatchSchema>

/** An endpoint as its tenant sees it. Its secret is shown once, by `webhookSecretSchema`. */
export const webhookViewSchema = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(z.enum(WEBHOOK_EVENTS)),
  description: z.string(),
  enabled: z.boolean(),
  disabledReason: z
    .enum(['gone', 'failing'])
    .optional()
    .describe('Why the fleet disabled it: it answered 410, or nothing reached it over all tries of an event.'),
  createdAt: z.number(),
  updatedAt: z.number(),
  pending: z.number().describe('Deliveries that are still to be made.'),
  failures: z.number().describe('Requests that failed since the last one that did not.'),
  lastSuccessAt: z.number().optional(),
  lastFailureAt: z.number().optional(),
  previousSecretUntil: z
    .number()
    .optional()
    .describe('Until when an older secret signs beside the present one, ms since the epoch.'),
})
export type WebhookView = z.infer<typeof webhookViewSchema>
export const webhookListSchema = z.object({ items: z.array(webhookViewSchema) })

/** The answer that shows a secret, once: to `POST /v1/webhooks` and to a rotation. */
export const webhookSecretSchema = webhookViewSchema.extend({
  secret: z.string().regex(WEBHOOK_SECRET_PATTERN).describe('Signs every request to the endpoint. Shown only here.'),
})
export type WebhookWithSecret = z.infer<typeof webhookSecretSchema>

export const rotateQuerySchema = z.strictObject({
  overlapMs: z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,9}$/, 'must be a whole number of ms')
        .transform(Number),
    ])
    .pipe(z.number().int().min(0).max(LIMITS.webhookOverlapMs))
    .default(LIMITS.webhookOverlapDefaultMs)
    .describe('How long the old secret signs beside the new one, ms. 0: not at all.'),
})

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'] as const

/** One event on its way to one endpoint. */
export const deliveryViewSchema = z.object({
  id: z.string().describe('The `webhook-id` of its requests, the same over all tries.'),
  type: z.string(),
  job: z.string().optional().describe('None: a test event.'),
  status: z.enum(DELIVERY_STATUSES).describe('`failed`: given up.'),
  attempts: z.number(),
  createdAt: z.number(),
  lastAttemptAt: z.number().optional(),
  nextAttemptAt: z.number().optional(),
  statusCode: z.number().optional().describe('Of the last answer.'),
  error: z.string().optional().describe('What was wrong with the last try.'),
})
export type DeliveryView = z.infer<typeof deliveryViewSchema>
export const deliveryListSchema = z.object({ items: z.array(deliveryViewSchema) })
export const deliveryListQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMITS.webhookLog).default(20),
})

const payloadOf = <T extends string, S extends z.ZodType>(type: T, data: S) =>
  z.object({ type: z.literal(type), timestamp: z.string().describe('When it happened, ISO 8601.'), data })

const jobData = <S extends EndState>(state: S) =>
  z.object({
    id: z.string(),
    state: z.literal(state),
    attempt: z.number(),
    createdAt: z.number(),
    finishedAt: z.number(),
    costUsd: z.number(),
    errorCode: jobErrorSchema.shape.code.optional().describe('Of a job that failed.'),
    batch: z.string().optional(),
    customId: z.string().optional(),
    metadata: z
      .record(z.string(), z.string())
      .optional()
      .describe('As the job was given it. Left out when it is over 16 KiB.'),
  })

/** The body of a webhook request. Thin: never a prompt, an answer or a message; those are asked for by the id. */
export const webhookPayloadSchema = z.discriminatedUnion('type', [
  payloadOf('job.completed', jobData('completed')),
  payloadOf('job.failed', jobData('failed')),
  payloadOf('job.cancelled', jobData('cancelled')),
  payloadOf(WEBHOOK_TEST_EVENT, z.object({ webhook: z.string() })),
])
export type WebhookPayload = z.infer<typeof webhookPayloadSchema>

/** What no operator's setting can make right. Whether `http` and a private host may be is the API's to say. */
function findUrlFault(text: string): string | undefined {
  if (/[\p{Cc}\s\\]/u.test(text) || !URL.canParse(text)) return 'is not an https:// address'
  const { protocol, username, password, hostname, port, hash } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return 'is not an https:// address'
  if (username !== '' || password !== '' || /^https?:\/\/[^/?#]*@/i.test(text))
    return 'must not hold a name or password'
  if (hostname === '') return 'has no host'
  if (hash !== '') return 'must not have a fragment'
  const number = Number(port)
  if (port !== '' && number < 1_024 && ![80, 443].includes(number)) return 'must have the port 443, or 1024 and up'
  return undefined
}
