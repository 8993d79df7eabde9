import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Dispatcher } from 'undici'
import { digestOf, type Grant } from './grant.js'

/** Of one connection, not of what is said over it. `expect` is answered by the server itself. */
const HOP_HEADERS = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Why a request is not sent on. */
export type Refusal = { status: 401 | 404; type: string; message: string }

/** The request with its real credential, or why it has none. */
export type Authorised =
  { refusal: Refusal } | { origin: string; path: string; headers: Record<string, string | string[]> }

/** Looks for the grant that the tokens of a request name, and puts real ones in their place. */
export function authorise(request: IncomingMessage, grantOf: (digest: string) => Grant | undefined): Authorised {
  const key = request.headers['x-api-key']
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const shown = [key, bearer].filter((token): token is string => typeof token === 'string').map(digestOf)
  const grant = shown.map(grantOf).find((one) => one !== undefined)
  if (grant === undefined) {
    return { refusal: { status: 401, type: 'authentication_error', message: 'not a token of this worker' } }
  }
  const path = pathOf(request.url ?? '', grant.base)
  if (path === undefined) {
    return { refusal: { status: 404, type: 'not_found_error', message: 'only paths below /v1/ are sent on' } }
  }
  const { 'x-api-key': _key, authorization: _authorization, ...rest } = request.headers
  const realKey = typeof key === 'string' ? grant.secrets.get(digestOf(key)) : undefined
  const realBearer = bearer === undefined ? undefined : grant.secrets.get(digestOf(bearer))
  return {
    origin: grant.base.origin,
    path,
    headers: {
      ...passable(rest),
      ...(realKey ? { 'x-api-key': realKey } : {}),
      ...(realBearer ? { authorization: `Bearer ${realBearer}` } : {}),
      ...grant.headers,
    },
  }
}

/**
 * Sends a request on and its answer back as both come, nothing held. When either side goes away, so does the other: an
 * answer that the API cut off is cut off for claude too. Rejects with what went wrong, the response then destroyed.
 */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  to: Exclude<Authorised, { refusal: Refusal }>,
  dispatcher: Dispatcher,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
    const answer = await dispatcher.request({
      origin: to.origin,
      path: to.path,
      method: request.method as Dispatcher.HttpMethod,
      headers: to.headers,
      body: hasBody ? request : null,
      signal: gone.signal,
    })
    response.writeHead(answer.statusCode, passable(answer.headers))
    // Claude waits for the head alone too; without this it would leave with the first piece of the body.
    response.flushHeaders()
    await pipeline(answer.body, response)
  } catch (error) {
    // No answer of ours in the place of the API's: claude shall see that the connection failed, and say so.
    const wasGone = response.closed || response.socket?.destroyed === true
    response.destroy()
    if (!wasGone) throw error
  }
}

/** Undefined for what is not below `/v1/`, however it is written. */
function pathOf(url: string, base: URL): string | undefined {
  if (!url.startsWith('/v1/') || /%2e|%2f|%5c|\\/i.test(url.split('?')[0] ?? '')) return undefined
  const below = new URL(url, 'http://any')
  if (!below.pathname.startsWith('/v1/')) return undefined
  return base.pathname.replace(/\/$/, '') + below.pathname + below.search
}

function passable(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_HEADERS.has(name)) passed[name] = value
  }
  return passed
}
