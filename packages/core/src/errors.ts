/**
 * Every error a caller can meet has one of these codes. The tables below are total: a new code does not compile until
 * each has said what it means for HTTP and for the next attempt.
 */

/** What a job's end can say (contract, section 3). */
export const JOB_ERROR_CODES = [
  'AUTH_FAILED',
  'INSUFFICIENT_CREDITS',
  'RATE_LIMITED',
  'USAGE_LIMIT',
  'OVERLOADED',
  'API_ERROR',
  'NETWORK',
  'INVALID_REQUEST',
  'MODEL_NOT_FOUND',
  'PROMPT_TOO_LONG',
  'REFUSED',
  'MAX_TURNS',
  'MAX_BUDGET',
  'STRUCTURED_OUTPUT',
  'TIMEOUT',
  'IDLE_TIMEOUT',
  'CANCELLED',
  'PROCESS_CRASHED',
  'SPAWN_FAILED',
  'WORKER_LOST',
  'INVALID_JOB',
  'SESSION_CLOSED',
  'FORBIDDEN',
  'OUTPUT_TOO_LARGE',
  'INTERNAL',
] as const

/** What only the front door can say: about the request, not about the job. */
export const API_ERROR_CODES = [
  'UNAUTHENTICATED',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'CONFLICT',
  'IDEMPOTENCY_MISMATCH',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'TOO_MANY_REQUESTS',
  'UNAVAILABLE',
] as const

export type JobErrorCode = (typeof JOB_ERROR_CODES)[number]
export type ApiErrorCode = (typeof API_ERROR_CODES)[number]
export type ErrorCode = JobErrorCode | ApiErrorCode

/** What follows a failed attempt. `retry` still depends on the job's `attempts`. */
export type RetryDecision = 'fail' | 'retry' | 'park'

/**
 * The retry policy: what is worth paying for twice. A code is `retry` only where the same prompt may well succeed on
 * an unchanged job; what cannot heal by itself fails at once.
 */
export const RETRY_DECISIONS: Readonly<Record<JobErrorCode, RetryDecision>> = {
  AUTH_FAILED: 'fail',
  INSUFFICIENT_CREDITS: 'fail',
  RATE_LIMITED: 'retry',
  USAGE_LIMIT: 'park',
  OVERLOADED: 'retry',
  API_ERROR: 'retry',
  NETWORK: 'retry',
  INVALID_REQUEST: 'fail',
  MODEL_NOT_FOUND: 'fail',
  PROMPT_TOO_LONG: 'fail',
  REFUSED: 'fail',
  MAX_TURNS: 'fail',
  MAX_BUDGET: 'fail',
  STRUCTURED_OUTPUT: 'fail',
  // The full running time was spent and paid for; the same prompt would most likely spend it again.
  TIMEOUT: 'fail',
  IDLE_TIMEOUT: 'retry',
  CANCELLED: 'fail',
  PROCESS_CRASHED: 'retry',
  SPAWN_FAILED: 'retry',
  WORKER_LOST: 'retry',
  INVALID_JOB: 'fail',
  SESSION_CLOSED: 'fail',
  FORBIDDEN: 'fail',
  OUTPUT_TOO_LARGE: 'fail',
  INTERNAL: 'retry',
}

/** The HTTP status when an error with this code is the answer to a request. */
export const HTTP_STATUSES: Readonly<Record<ErrorCode, number>> = {
  AUTH_FAILED: 502,
  INSUFFICIENT_CREDITS: 402,
  RATE_LIMITED: 429,
  USAGE_LIMIT: 429,
  OVERLOADED: 503,
  API_ERROR: 502,
  NETWORK: 502,
  INVALID_REQUEST: 400,
  MODEL_NOT_FOUND: 422,
  PROMPT_TOO_LONG: 413,
  REFUSED: 422,
  MAX_TURNS: 422,
  MAX_BUDGET: 402,
  STRUCTURED_OUTPUT: 422,
  TIMEOUT: 504,
  IDLE_TIMEOUT: 504,
  CANCELLED: 409,
  PROCESS_CRASHED: 502,
  SPAWN_FAILED: 503,
  WORKER_LOST: 502,
  INVALID_JOB: 422,
  SESSION_CLOSED: 409,
  FORBIDDEN: 403,
  OUTPUT_TOO_LARGE: 422,
  INTERNAL: 500,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  IDEMPOTENCY_MISMATCH: 422,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  TOO_MANY_REQUESTS: 429,
  UNAVAILABLE: 503,
}

/** Whether the same request, sent again unchanged, may succeed. For job errors it follows the retry policy. */
export function isRetryable(code: ErrorCode): boolean {
  if (code in RETRY_DECISIONS) return RETRY_DECISIONS[code as JobErrorCode] !== 'fail'
  return code === 'TOO_MANY_REQUESTS' || code === 'UNAVAILABLE'
}

/** Facts beside the message: the field that was wrong, an exit code, what had already run. Never a secret. */
export type ErrorDetails = Record<string, unknown>

export interface FleetErrorOptions {
  jobId?: string | undefined
  attempt?: number | undefined
  /** Overrides what the code alone would say. */
  retryable?: boolean | undefined
  details?: ErrorDetails | undefined
  cause?: unknown
}

/** The one error class: a code to branch on, a sentence to read, and the facts. Keeps its `cause`. */
export class FleetError extends Error {
  override readonly name = 'FleetError'
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly jobId: string | undefined
  readonly attempt: number | undefined
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: FleetErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? isRetryable(code)
    this.jobId = options.jobId
    this.attempt = options.attempt
    this.details = options.details ?? {}
  }
}

/** True for a FleetError of any copy of this package in the process. */
export function isFleetError(value: unknown): value is FleetError {
  return value instanceof Error && value.name === 'FleetError' && 'code' in value
}

/** What is wrong with one field of an input. `path` is dotted, as the caller would write it. */
export interface FieldFault {
  path: string
  message: string
}
