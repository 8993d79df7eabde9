import type { ServerResponse } from 'node:http'
import type { Fault } from './fault.js'

/** Answers with the error that a fault asks for, in the shape of the Messages API. */
export function sendFault(
  response: ServerResponse,
  fault: Extract<Fault, { kind: 'status' | 'usage-limit' }>,
  context: { model: string; retryAfter: number | undefined },
): void {
  const retry = context.retryAfter === undefined ? {} : { 'retry-after': String(context.retryAfter) }
  if (fault.kind === 'status') {
    return sendError(response, fault.code, fault.message ?? messageOf(fault.code, context.model), retry)
  }
  // Read by claude where it signs in with CLAUDE_CODE_OAUTH_TOKEN (measured, 2.1.330).
  sendError(response, 429, 'usage limit reached', {
    ...retry,
    'anthropic-ratelimit-unified-status': 'rejected',
    'anthropic-ratelimit-unified-reset': String(Math.floor(Date.now() / 1_000) + fault.seconds),
    'anthropic-ratelimit-unified-representative-claim': 'five_hour',
  })
}

export function sendError(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  const [type = 'api_error'] = ERRORS[status] ?? []
  sendJson(response, status, { type: 'error', error: { type, message } }, headers)
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** Types of the API's errors, and what it says. */
const ERRORS: Readonly<Record<number, readonly [type: string, message: string]>> = {
  400: ['invalid_request_error', 'simulated invalid request'],
  401: ['authentication_error', 'invalid x-api-key'],
  403: ['permission_error', 'Your API key does not have permission to use the specified resource.'],
  404: ['not_found_error', 'model: MODEL'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: ['rate_limit_error', 'This request would exceed the rate limit of your organization.'],
  500: ['api_error', 'Internal server error'],
  529: ['overloaded_error', 'Overloaded'],
}

function messageOf(status: number, model: string): string {
  return ERRORS[status]?.[1].replace('MODEL', model) ?? `simulated status ${status}`
}
