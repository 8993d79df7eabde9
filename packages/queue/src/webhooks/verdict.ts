/** What a try of a delivery came to. */
export type WebhookAnswer =
  | { type: 'answered'; status: number; retryAfterMs?: number | undefined }
  /** `reason` is shown to the tenant: it names nothing of the operator's network. */
  | { type: 'unreachable'; reason: string }
  /** The address may not be asked; it is tried again, as a name may point elsewhere later. */
  | { type: 'refused'; reason: string }

/** What follows from it. */
export interface Verdict {
  status: 'delivered' | 'pending' | 'failed'
  delayMs: number
  /** How long the endpoint is left alone, ms. */
  restMs: number
  disable: 'gone' | 'failing' | undefined
  statusCode: number | undefined
  error: string | undefined
}

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** Waits after each try that failed: the example of the specification. */
export const RETRY_DELAYS_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
]
/** Each wait is up to this share longer, so that what failed at one time does not come back at one time. */
const JITTER = 0.2
/** An event is not told later than this, however few tries it had: the endpoint was disabled, or rested. */
export const DELIVERY_MAX_AGE_MS = 96 * HOUR_MS
/** An endpoint that fails this often in a row is asked by one request at a time, with a growing rest. */
export const PROBE_AFTER = 3
const REST_MAX_MS = MINUTE_MS
const RETRY_AFTER_MAX_MS = 24 * HOUR_MS
const THROTTLES = new Set([429, 502, 503, 504])

/**
 * Judges one try: a 2xx alone is success, 410 disables the endpoint, all else is tried again. `attempts`: tries before
 * this one; `failures`: those of the endpoint in a row; `ageMs`: since the event. `random`: from 0 to 1.
 */
export function judge(
  answer: WebhookAnswer,
  { attempts, failures, ageMs, random }: { attempts: number; failures: number; ageMs: number; random: number },
): Verdict {
  const statusCode = answer.type === 'answered' ? answer.status : undefined
  if (statusCode !== undefined && statusCode >= 200 && statusCode <= 299) {
    return { status: 'delivered', delayMs: 0, restMs: 0, disable: undefined, statusCode, error: undefined }
  }
  const error = answer.type === 'answered' ? `answered ${answer.status}` : answer.reason
  if (statusCode === 410) return { status: 'failed', delayMs: 0, restMs: 0, disable: 'gone', statusCode, error }
  const asked = Math.min(answer.type === 'answered' ? (answer.retryAfterMs ?? 0) : 0, RETRY_AFTER_MAX_MS)
  const wait = RETRY_DELAYS_MS[attempts]
  const delayMs = Math.max(Math.round((wait ?? 0) * (1 + JITTER * random)), asked)
  const rest = restOf(failures + 1)
  const restMs = statusCode !== undefined && THROTTLES.has(statusCode) ? Math.max(rest, Math.min(asked, HOUR_MS)) : rest
  if (wait === undefined || ageMs + delayMs > DELIVERY_MAX_AGE_MS) {
    return { status: 'failed', delayMs: 0, restMs, disable: 'failing', statusCode, error }
  }
  return { status: 'pending', delayMs, restMs, disable: undefined, statusCode, error }
}

function restOf(failures: number): number {
  return failures < PROBE_AFTER ? 0 : Math.min(SECOND_MS * 2 ** (failures - PROBE_AFTER), REST_MAX_MS)
}
