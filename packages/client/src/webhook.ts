import { FleetError, webhookPayloadSchema, type WebhookPayload } from '@claude-fleet/core'
import { Webhook } from 'standardwebhooks'

/** Headers of a request, as Node's `req.headers`, fetch's `Headers` or a plain object have them. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

const NAMES = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const

/**
 * Checks that a request came from the fleet, and gives what it says. `body` is the body as it came, byte for byte: JSON
 * that was parsed and written again does not fit its signature. `secret`: the endpoint's `whsec_…`.
 *
 * An event may come more than once: `webhook-id` is the same each time. Throws FleetError: `UNAUTHENTICATED` for a
 * signature that does not fit, or a timestamp more than 5 minutes off; `INVALID_REQUEST` for an event that this version
 * does not know, which a receiver may ignore with a 2xx.
 */
export function verifyWebhook(headers: WebhookHeaders, body: string | Uint8Array, secret: string): WebhookPayload {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
  const given = Object.fromEntries(NAMES.map((name) => [name, headerOf(headers, name)]))
  let value: unknown
  try {
    value = new Webhook(secret).verify(text, given)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FleetError('UNAUTHENTICATED', `this is no webhook of the fleet: ${reason}`, { retryable: false, cause })
  }
  const parsed = webhookPayloadSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new FleetError('INVALID_REQUEST', 'the webhook is of a kind that is not known here', { cause: parsed.error })
}

/** A header that came more than once is none: which of them was signed cannot be told. */
function headerOf(headers: WebhookHeaders, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? ''
  const found = Object.entries(headers).filter(([key]) => key.toLowerCase() === name)
  const [only] = found
  return found.length === 1 && typeof only?.[1] === 'string' ? only[1] : ''
}
