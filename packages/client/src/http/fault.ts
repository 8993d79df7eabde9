import { FleetError, HTTP_STATUSES, isRetryable, problemSchema, type ErrorCode } from '@claude-fleet/core'

/** The error that an answer with a bad status stands for. A body that is no problem document came from a proxy. */
export function faultOf({ status, headers }: Response, body: string): FleetError {
  const wish = retryAfterOf(headers.get('retry-after'))
  const parsed = problemSchema.safeParse(parseJson(body))
  if (!parsed.success) {
    const code = codeOf(status)
    return new FleetError(code, `the fleet's address answered ${status} without saying why`, {
      // A redirect leads elsewhere every time.
      retryable: status >= 400 && isRetryable(code),
      details: { status, ...wish },
    })
  }
  const { code, detail, retryable, requestId, errors } = parsed.data
  return new FleetError(code, detail, {
    retryable,
    details: { status, requestId, ...wish, ...(errors === undefined ? {} : { errors }) },
  })
}

/** `retry-after` is seconds or a date. */
function retryAfterOf(header: string | null): { retryAfterMs?: number } {
  if (header === null) return {}
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? {} : { retryAfterMs: Math.max(0, ms) }
}

const BY_STATUS: readonly ErrorCode[] = [
  'INVALID_REQUEST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'CONFLICT',
  'PAYLOAD_TOO_LARGE',
  'TOO_MANY_REQUESTS',
]

function codeOf(status: number): ErrorCode {
  if (status === 502 || status === 503 || status === 504) return 'UNAVAILABLE'
  const code = BY_STATUS.find((name) => HTTP_STATUSES[name] === status)
  return code ?? (status >= 400 && status < 500 ? 'INVALID_REQUEST' : 'INTERNAL')
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
