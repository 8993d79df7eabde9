import { DELIVERY_STATUSES, WEBHOOK_TEST_EVENT, type DeliveryView, type WebhookPayload } from '@claude-fleet/core'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'

const number = z.coerce.number()
const jobFacts = {
  job: z.string(),
  finishedAt: number,
  createdAt: number,
  attempt: number,
  costUsd: number,
  code: z.string().optional(),
  batch: z.string().optional(),
  customId: z.string().optional(),
  metadata: z.string().transform(parseJson).pipe(z.record(z.string(), z.string())).optional(),
}
const shared = {
  endpoint: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  attempts: number,
  at: number,
  lastAt: number.optional(),
  nextAt: number.optional(),
  statusCode: number.optional(),
  error: z.string().optional(),
}

const recordSchema = z.discriminatedUnion('type', [
  z.object({ ...shared, type: z.literal(WEBHOOK_TEST_EVENT) }),
  z.object({ ...shared, ...jobFacts, type: z.literal('job.completed'), state: z.literal('completed') }),
  z.object({ ...shared, ...jobFacts, type: z.literal('job.failed'), state: z.literal('failed') }),
  z.object({ ...shared, ...jobFacts, type: z.literal('job.cancelled'), state: z.literal('cancelled') }),
])
/** One event on its way to one endpoint, as the `deliver` function of the scripts wrote it. */
export type DeliveryRecord = z.output<typeof recordSchema>

/** Reads the hash of a delivery. Undefined when there is none, or one that cannot be read. */
export function readDelivery(fields: Readonly<Record<string, string>>): DeliveryRecord | undefined {
  const parsed = recordSchema.safeParse(fields)
  return parsed.success ? parsed.data : undefined
}

/** The body, the same at every try: receivers may compare. */
export function bodyOf(delivery: DeliveryRecord): string {
  return JSON.stringify(payloadOf(delivery))
}

function payloadOf(delivery: DeliveryRecord): WebhookPayload {
  if (delivery.type === WEBHOOK_TEST_EVENT) {
    return { type: delivery.type, timestamp: iso(delivery.at), data: { webhook: delivery.endpoint } }
  }
  const { type, state, job, attempt, createdAt, finishedAt, costUsd, code, batch, customId, metadata } = delivery
  const data = {
    id: job,
    state,
    attempt,
    createdAt,
    finishedAt,
    costUsd,
    ...(code === undefined ? {} : { errorCode: code }),
    ...(batch === undefined ? {} : { batch }),
    ...(customId === undefined ? {} : { customId }),
    ...(metadata === undefined ? {} : { metadata }),
  }
  return { type, timestamp: iso(finishedAt), data } as WebhookPayload
}

/** A delivery as the tenant sees it. */
export function viewOfDelivery(id: string, delivery: DeliveryRecord): DeliveryView {
  const { type, status, attempts, at, lastAt, nextAt, statusCode, error } = delivery
  return {
    id,
    type,
    status,
    attempts,
    createdAt: at,
    ...('job' in delivery ? { job: delivery.job } : {}),
    ...(lastAt === undefined ? {} : { lastAttemptAt: lastAt }),
    ...(nextAt === undefined ? {} : { nextAttemptAt: nextAt }),
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(error === undefined ? {} : { error }),
  }
}

const iso = (ms: number) => new Date(ms).toISOString()
