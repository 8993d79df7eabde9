import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { SendWebhook, WebhookAnswer } from '@claude-fleet/queue'
import { Webhook } from 'standardwebhooks'
import { hostOf, type AddressPolicy } from './address.js'
import { resolveHost, type Resolve } from './resolve.js'

/** The specification asks for 15 to 30 s. From the look-up of the name to the head of the answer. */
const DEADLINE_MS = 15_000
/** The rest of an answer is read, up to this, so that the receiver need not see a broken line; and thrown away. */
const REST_BYTES = 64 * 1_024
const REST_MS = 1_000
const USER_AGENT = 'claude-fleet-webhooks/1'

/**
 * Posts webhooks: signed with every secret, to an address that was looked at after the name was looked up and before
 * the connection is opened, with no second look-up between. Follows no redirect, uses no proxy, keeps no connection.
 * `resolve` and `deadlineMs` are for tests.
 */
export function createSender(
  policy: AddressPolicy,
  { resolve = resolveHost, deadlineMs = DEADLINE_MS }: { resolve?: Resolve; deadlineMs?: number } = {},
): SendWebhook {
  return async ({ url: text, id, body, secrets }, outer) => {
    const url = new URL(text)
    outer.throwIfAborted()
    const ending = new AbortController()
    const { signal } = ending
    const cut = () => ending.abort()
    outer.addEventListener('abort', cut, { once: true })
    const timer = setTimeout(cut, deadlineMs)
    try {
      const permitted = policy.findFault(url) === undefined ? await addressesOf(url, signal) : []
      if (permitted === undefined) return { type: 'unreachable', reason: 'the name of the host is not known' }
      if (permitted.length === 0) return { type: 'refused', reason: 'the address of the host is not allowed' }
      return await post(url, { addresses: permitted, body, headers: headersOf(id, body, secrets), signal })
    } catch (error) {
      outer.throwIfAborted()
      if (signal.aborted) return { type: 'unreachable', reason: `no answer within ${deadlineMs / 1_000} s` }
      return { type: 'unreachable', reason: reasonOf(error) }
    } finally {
      clearTimeout(timer)
      outer.removeEventListener('abort', cut)
    }
  }

  /** Those that a connection may be opened to. Undefined: the name has none at all. */
  async function addressesOf(url: URL, signal: AbortSignal): Promise<string[] | undefined> {
    const all = await Promise.race([resolve(url, { isNamed: policy.isNamed(url), signal }), aborted(signal)])
    return all.length === 0 ? undefined : all.filter((address) => policy.permits(url, address))
  }
}

function headersOf(id: string, body: string, secrets: readonly string[]): Record<string, string> {
  const now = new Date()
  return {
    'content-type': 'application/json',
    'user-agent': USER_AGENT,
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
  }
}

interface Post {
  /** Checked; the connection goes to one of these. */
  addresses: readonly string[]
  body: string
  headers: Record<string, string>
  signal: AbortSignal
}

function post(url: URL, { addresses, body, headers, signal }: Post): Promise<WebhookAnswer> {
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  const [first] = found
  const lookup: LookupFunction = (_host, options, answer) => {
    if (options.all === true) answer(null, found)
    else answer(null, first?.address ?? '', first?.family)
  }
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const request = send(
      {
        protocol: url.protocol,
        host: hostOf(url),
        port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
        path: url.pathname + url.search,
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        // A connection of its own, opened to what was checked just now.
        agent: false,
        lookup,
        signal,
      },
      (response) => {
        const status = response.statusCode ?? 0
        const retryAfterMs = parseRetryAfter(response.headers['retry-after'])
        discard(response, () => resolve({ type: 'answered', status, retryAfterMs }))
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** Reads on for a moment, and ends the connection whatever comes. */
function discard(response: IncomingMessage, done: () => void): void {
  let bytes = 0
  const end = () => {
    clearTimeout(timer)
    response.destroy()
    done()
  }
  const timer = setTimeout(end, REST_MS)
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > REST_BYTES) end()
  })
  response.once('end', end)
  response.once('error', end)
}

/** Seconds, or a date. */
function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return ms > 0 ? ms : undefined
}

async function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** What the receiver's owner can act on. Names no address: that would tell what is in the operator's network. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED') return 'the connection was refused'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the connection was broken'
  if (/^(ENOTFOUND|EAI_)/.test(code)) return 'the name of the host is not known'
  if (/CERT|TLS|SSL|SELF_SIGNED|ALTNAME|UNABLE_TO/.test(code)) return `TLS failed: ${code}`
  return /^[A-Z][A-Z_]{2,40}$/.test(code) ? `the request failed: ${code}` : 'the request failed'
}
