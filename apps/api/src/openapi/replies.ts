import { FleetError, HTTP_STATUSES, problemSchema, type ErrorCode } from '@claude-fleet/core'
import { PROBLEM_TYPE, problemOf } from '@claude-fleet/http'
import { EXAMPLES } from './examples.js'
import type { Reply } from './operation.js'
import { refOf, type JsonSchema } from './schemas.js'

const HEADERS: Readonly<Record<string, { description: string; schema: JsonSchema; example: string | number }>> = {
  'request-id': {
    description: "Names the request in the server's log: the caller's own `x-request-id`, or a new one.",
    schema: { type: 'string', minLength: 1 },
    example: EXAMPLES.problem.requestId,
  },
  location: {
    description: 'Where it is.',
    schema: { type: 'string', pattern: '^/v1/' },
    example: `/v1/jobs/${EXAMPLES.waitingJob.id}`,
  },
  'retry-after': {
    description: 'Seconds after which to try again.',
    schema: { type: 'integer', minimum: 0 },
    example: 2,
  },
  'www-authenticate': {
    description: 'How to sign in.',
    schema: { type: 'string' },
    example: 'Bearer realm="claude-fleet"',
  },
  allow: { description: 'The methods that are allowed.', schema: { type: 'string' }, example: 'GET, HEAD, OPTIONS' },
  'cache-control': { description: 'Nothing on the way keeps it.', schema: { type: 'string' }, example: 'no-store' },
  'x-accel-buffering': { description: 'Nothing on the way holds it back.', schema: { type: 'string' }, example: 'no' },
}

/** Which error codes are answered where, and what they mean to a caller. */
const MEANINGS: Partial<Record<ErrorCode, string>> = {
  INVALID_REQUEST: 'The request is not valid; `errors` names each field.',
  UNAUTHENTICATED: 'No API key, or not a known one.',
  FORBIDDEN:
    'The key lacks the scope, the operator does not allow it, or (without keys) `Host` or `Origin` is foreign.',
  NOT_FOUND: 'There is none, or it is of another tenant.',
  METHOD_NOT_ALLOWED: 'This path has no such method; `Allow` names those it has.',
  CONFLICT:
    'Its state does not allow it: its job or turn has not ended, it is disabled, or there are as many as there may be.',
  PAYLOAD_TOO_LARGE: 'The body, or a prompt in it, is too long.',
  UNSUPPORTED_MEDIA_TYPE: 'The body is not `application/json` in UTF-8.',
  IDEMPOTENCY_MISMATCH: 'The `Idempotency-Key` was used with another body.',
  TOO_MANY_REQUESTS: 'Too much at once; try again later.',
  MAX_BUDGET: 'The tenant has spent what it may spend in a day (UTC); `Retry-After` says when the next begins.',
  SESSION_CLOSED: 'The session is closed (`SESSION_CLOSED`), or the state does not allow it (`CONFLICT`).',
  INTERNAL: 'It failed here; `requestId` finds the reason in the log.',
  UNAVAILABLE: 'Redis cannot be reached or is out of memory (`detail` says so), or the server stops; try again.',
}

/** Codes with one status, of which the document can have one reply: it is named by the first. */
const BESIDE: Partial<Record<ErrorCode, readonly ErrorCode[]>> = { SESSION_CLOSED: ['CONFLICT'] }

const ERROR_HEADERS: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: 'www-authenticate',
  METHOD_NOT_ALLOWED: 'allow',
  TOO_MANY_REQUESTS: 'retry-after',
  MAX_BUDGET: 'retry-after',
  UNAVAILABLE: 'retry-after',
}

export function componentHeaders(): Record<string, object> {
  return Object.fromEntries(Object.entries(HEADERS).map(([name, header]) => [name, { required: true, ...header }]))
}

/** One response for each code that can answer a request. */
export function componentResponses(): Record<string, object> {
  return Object.fromEntries((Object.keys(MEANINGS) as ErrorCode[]).map((code) => [code, problemResponse(code)]))
}

/** Status and reference of an error's response. Throws for a code that has no meaning here. */
export function errorResponse(code: ErrorCode): [status: string, ref: object] {
  if (MEANINGS[code] === undefined) throw new Error(`${code} is documented nowhere`)
  return [String(HTTP_STATUSES[code]), { $ref: `#/components/responses/${code}` }]
}

/** A response that is no error. */
export function goodResponse({ description, headers = [], content }: Reply): object {
  const bodies = () => {
    if (content === undefined) return {}
    const { type, schema, example } = content
    // A stream is described event by event: OpenAPI 3.1 has no word for a sequence.
    const described = schema === 'text' ? { type: 'string' } : refOf(schema)
    return {
      content: {
        [type]: {
          schema: described,
          ...(type === 'text/event-stream' ? { examples: { stream: { value: example } } } : { example }),
        },
      },
    }
  }
  return { description, headers: headersOf(headers), ...bodies() }
}

function problemResponse(code: ErrorCode): object {
  const extra = ERROR_HEADERS[code]
  const { problem } = problemOf(new FleetError(code, MEANINGS[code] ?? ''), EXAMPLES.problem.requestId)
  return {
    description: MEANINGS[code],
    headers: headersOf(extra === undefined ? [] : [extra]),
    content: {
      [PROBLEM_TYPE]: {
        schema: {
          ...refOf(problemSchema),
          properties: { status: { const: HTTP_STATUSES[code] }, code: codeSchema(code) },
        },
        example: code === 'INVALID_REQUEST' ? EXAMPLES.problem : problem,
      },
    },
  }
}

function codeSchema(code: ErrorCode): object {
  const beside = BESIDE[code]
  return beside === undefined ? { const: code } : { enum: [code, ...beside] }
}

function headersOf(names: readonly string[]): Record<string, object> {
  const refs = ['request-id', ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }])
  return Object.fromEntries(refs) as Record<string, object>
}
