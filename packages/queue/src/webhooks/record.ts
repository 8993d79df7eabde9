import { WEBHOOK_EVENTS, type WebhookEvent, type WebhookView } from '@claude-fleet/core'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'

const sealedSecretSchema = z.object({
  sealed: z.string(),
  /** ms since the epoch; undefined: the present one. */
  until: z.number().optional(),
})
/** A secret as Redis has it. */
export type SealedSecret = z.infer<typeof sealedSecretSchema>

const known: ReadonlySet<string> = new Set(WEBHOOK_EVENTS)
const number = z.coerce.number()

const recordSchema = z.object({
  tenant: z.string(),
  url: z.string(),
  events: z.string().transform((text) => text.split(',').filter((name): name is WebhookEvent => known.has(name))),
  description: z.string(),
  enabled: z.enum(['0', '1']).transform((flag) => flag === '1'),
  disabledReason: z.enum(['gone', 'failing']).optional(),
  createdAt: number,
  updatedAt: number,
  failures: number.default(0),
  lastSuccessAt: number.optional(),
  lastFailureAt: number.optional(),
  /** Newest first. */
  secrets: z.string().transform(parseJson).pipe(z.array(sealedSecretSchema).min(1)),
})
/** An endpoint as it is in Redis. */
export type WebhookRecord = z.output<typeof recordSchema>

/** Reads the hash of an endpoint. Undefined when there is none, or one that cannot be read. */
export function readRecord(fields: Readonly<Record<string, string>>): WebhookRecord | undefined {
  const parsed = recordSchema.safeParse(fields)
  return parsed.success ? parsed.data : undefined
}

/** The endpoint as its tenant sees it: without its secrets. */
export function viewOfHook(id: string, record: WebhookRecord, pending: number, now: number): WebhookView {
  const { url, events, description, enabled, createdAt, updatedAt, failures } = record
  const { disabledReason, lastSuccessAt, lastFailureAt } = record
  const overlaps = record.secrets.flatMap(({ until }) => (until !== undefined && until > now ? [until] : []))
  return {
    id,
    url,
    events,
    description,
    enabled,
    createdAt,
    updatedAt,
    pending,
    failures,
    ...(disabledReason === undefined ? {} : { disabledReason }),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt }),
    ...(lastFailureAt === undefined ? {} : { lastFailureAt }),
    ...(overlaps.length === 0 ? {} : { previousSecretUntil: Math.max(...overlaps) }),
  }
}

/** What the secrets of an endpoint are bound to: another one's do not open in its place. */
export const ownerOf = (tenant: string, id: string) => `webhook|${tenant}|${id}`
