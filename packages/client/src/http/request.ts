import { FleetError } from '@claude-fleet/core'
import type { z } from 'zod'
import { linkSignals } from '../signals.js'
import { faultOf } from './fault.js'

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below the base address, without a leading slash. */
  path: string
  query?: Readonly<Record<string, string | number | undefined>>
  headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  body?: unknown
}

export interface HttpEndpoint {
  base: URL
  apiKey: string | undefined
}

/**
 * Sends a request and gives the answer, whatever its body, when its status is good. Throws FleetError for a problem
 * document, `UNAVAILABLE` when there is no answer; the signal's reason when it aborts.
 */
export async function send(endpoint: HttpEndpoint, request: HttpRequest, signal: AbortSignal): Promise<Response> {
  const url = new URL(request.path, endpoint.base)
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers = new Headers(request.headers)
  if (endpoint.apiKey !== undefined) headers.set('authorization', `Bearer ${endpoint.apiKey}`)
  if (request.body !== undefined) headers.set('content-type', 'application/json')
  const body = request.body === undefined ? null : JSON.stringify(request.body)
  // A redirect would carry prompts, and possibly the key, to where the caller did not send them.
  const init: RequestInit = { method: request.method, headers, body, redirect: 'manual', signal }
  const response = await guarded(fetch(url, init), signal)
  if (response.ok) return response
  throw faultOf(response, await guarded(response.text(), signal))
}

/** As `send`, and reads the answer with a schema; of a `204` it reads undefined. `timeoutMs` bounds the whole of it: `UNAVAILABLE`. */
export async function sendForJson<S extends z.ZodType>(
  endpoint: HttpEndpoint,
  request: HttpRequest,
  { schema, signal, timeoutMs }: { schema: S; signal: AbortSignal; timeoutMs: number },
): Promise<{ status: number; value: z.output<S> }> {
  using linked = linkSignals(signal)
  const timer = setTimeout(() => {
    linked.abort(new FleetError('UNAVAILABLE', `the fleet did not answer within ${timeoutMs} ms`))
  }, timeoutMs)
  try {
    const response = await send(endpoint, request, linked.signal)
    const text = await guarded(response.text(), linked.signal)
    return { status: response.status, value: parse(schema, text, response.status) }
  } finally {
    clearTimeout(timer)
  }
}

/** What the network says, as the fleet says it. */
export async function guarded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await work
  } catch (cause) {
    signal.throwIfAborted()
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const reason = inner instanceof Error ? inner.message || inner.name : String(inner)
    throw new FleetError('UNAVAILABLE', `the fleet cannot be reached: ${reason}`, { cause })
  }
}

function parse<S extends z.ZodType>(schema: S, text: string, status: number): z.output<S> {
  let json: unknown
  try {
    json = status === 204 ? undefined : JSON.parse(text)
  } catch (cause) {
    throw new FleetError('INTERNAL', 'the answer is not JSON; is this the address of a fleet?', {
      retryable: false,
      details: { status },
      cause,
    })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new FleetError('INTERNAL', 'the answer is not what this client expects', {
    retryable: false,
    details: { status },
    cause: parsed.error,
  })
}
