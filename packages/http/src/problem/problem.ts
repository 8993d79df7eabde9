import {
  FleetError,
  HTTP_STATUSES,
  isFleetError,
  type ErrorCode,
  type FieldFault,
  type Problem,
} from '@claude-fleet/core'

/** An answer that is an error: RFC 9457 body, status and the headers that go with them. */
export interface ProblemReply {
  problem: Problem
  headers: Readonly<Record<string, string>>
}

export const PROBLEM_TYPE = 'application/problem+json'

/** Seconds after which a caller may try again when the queue cannot be reached. */
const RETRY_AFTER_SECONDS = 2

/**
 * How any error is answered. What is not a FleetError of a caller's own making says nothing of the inside: no stack, no
 * address of Redis. `status` of errors made by HTTP middleware is kept where it is the client's fault.
 */
export function problemOf(error: unknown, requestId: string): ProblemReply {
  const fault = isFleetError(error) ? error : fromMiddleware(error)
  const status = statusOf(error, fault.code)
  const faults = faultsOf(fault)
  return {
    problem: {
      type: `urn:claude-fleet:error:${fault.code.toLowerCase().replaceAll('_', '-')}`,
      title: titleOf(fault.code),
      status,
      detail: publicDetail(fault),
      code: fault.code,
      retryable: fault.retryable,
      requestId,
      ...(faults.length > 0 ? { errors: faults } : {}),
    },
    headers: headersOf(fault, status),
  }
}

function fromMiddleware(error: unknown): FleetError {
  const status = clientStatus(error)
  const cause = error
  if (status === undefined) return new FleetError('INTERNAL', '', { cause })
  if (status === 413) return new FleetError('PAYLOAD_TOO_LARGE', `the body is over ${limitOf(error)}`, { cause })
  if (status === 415) return new FleetError('UNSUPPORTED_MEDIA_TYPE', messageOf(error), { cause })
  return new FleetError('INVALID_REQUEST', messageOf(error), { cause })
}

function statusOf(error: unknown, code: ErrorCode): number {
  if (!isFleetError(error)) return clientStatus(error) ?? HTTP_STATUSES[code]
  return HTTP_STATUSES[code]
}

function clientStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined
  const { status } = error
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined
}

function limitOf(error: unknown): string {
  return error instanceof Error && 'limit' in error ? `${String(error.limit)} bytes` : 'the limit'
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : 'the request is not valid')

function publicDetail(fault: FleetError): string {
  if (fault.code === 'INTERNAL') return 'the request failed here; its id finds the reason in the log'
  if (fault.code === 'UNAVAILABLE') {
    // Only what says of itself that a caller may read it: an error of Redis holds addresses and keys.
    const { detail } = fault.details
    return typeof detail === 'string' ? detail : 'the queue cannot be reached; try again'
  }
  return fault.message
}

function faultsOf(fault: FleetError): FieldFault[] {
  const { errors } = fault.details
  return Array.isArray(errors) ? (errors as FieldFault[]) : []
}

function headersOf(fault: FleetError, status: number): Record<string, string> {
  if (status === 401) {
    const { challenge } = fault.details
    return { 'www-authenticate': typeof challenge === 'string' ? challenge : 'Bearer realm="claude-fleet"' }
  }
  const { retryAfterMs } = fault.details
  if (status === 503 || status === 429 || (status === 402 && typeof retryAfterMs === 'number')) {
    const seconds = typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs / 1_000) : RETRY_AFTER_SECONDS
    return { 'retry-after': String(seconds) }
  }
  const { allow } = fault.details
  return status === 405 && typeof allow === 'string' ? { allow } : {}
}

function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
