import { FleetError, HTTP_STATUSES, isRetryable, problemSchema, type ErrorCode } from '@claude-fleet/core'

/** The error that an answer with a bad status stands for. A body that is no problem document came from a proxy. */
export function faultOf(status: number, body: string): FleetError {
  const parsed = problemSchema.safeParse(parseJson(body))
  if (!parsed.success) {
    const code = codeOf(status)
    return new FleetError(code, `the fleet's address answered ${status} without saying why`, {
      retryable: isRetryable(code),
      details: { status },
    })
  }
  const { code, detail, retryable, requestId, errors } = parsed.data
  return new FleetError(code, detail, {
    retryable,
    details: { status, requestId, ...(errors === undefined ? {} : { errors }) },
  })
}

const BY_STATUS: readonly ErrorCode[] = [
  'INVALID_REQUEST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'PAYLOAD_TOO_LARGE',
  'TOO_MANY_REQUESTS',
]

function codeOf(status: number): ErrorCode {
  if (status === 502 || status === 503 || status === 504) return 'UNAVAILABLE'
  return BY_STATUS.find((code) => HTTP_STATUSES[code] === status) ?? 'INTERNAL'
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
