import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { createLedger, type Ledger } from './ledger.js'
import { streamReply, wholeReply } from './reply.js'
import { promptOf, requestSchema } from './request.js'
import { parseScript, type Script } from './script.js'

export interface SimulatorOptions {
  /** Default 0: a free one. */
  port?: number
  /** Entries the ledger keeps; default 10,000. */
  ledgerEntries?: number
}

/** A Messages API on loopback. */
export interface Simulator {
  /** For `ANTHROPIC_BASE_URL`. */
  url: string
  port: number
  ledger: Ledger
  /** Ends every connection. Resolves when the port is free. */
  close(): Promise<void>
}

const MAX_BODY_BYTES = 64 * 1024 * 1024

/**
 * Starts a simulated Messages API on 127.0.0.1 that the real `claude` can talk to. What it answers is told by marks in
 * the prompt (see the README); without any it echoes the prompt. Rejects when the port is taken.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const ledger = createLedger(options.ledgerEntries ?? 10_000)
  const answer = createAnswer(ledger)
  const closing = new AbortController()
  const server = createServer((request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    answer(request, response, AbortSignal.any([gone.signal, closing.signal])).catch((error: unknown) => {
      if (gone.signal.aborted || closing.signal.aborted) return
      sendError(response, 500, `the simulator failed: ${String(error)}`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    ledger,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        closing.abort()
        server.closeAllConnections()
      }),
  }
}

type Answer = (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => Promise<void>

function createAnswer(ledger: ReturnType<typeof createLedger>): Answer {
  // How often each prompt has met its `once` marks: a retry of the same prompt is a later time.
  const times = new Map<string, number>()
  let replies = 0
  return async (request, response, signal) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    if (request.method === 'HEAD') return void response.writeHead(200).end()
    if (request.method !== 'POST') return sendError(response, 404, `no ${path} here`)
    const raw = await readBody(request)
    const parsed = requestSchema.safeParse(parseJson(raw))
    if (!parsed.success) return sendError(response, 400, `not a Messages request: ${parsed.error.message}`)
    const body = parsed.data
    const { prompt, replies: given } = promptOf(body)
    const isTurn = path === '/v1/messages' && body.max_tokens !== 1
    ledger.add({ at: Date.now(), kind: isTurn ? 'turn' : 'side', path, key: keyOf(request), prompt, body, raw })
    if (path === '/v1/messages/count_tokens') return sendJson(response, 200, { input_tokens: 10 })
    if (path !== '/v1/messages') return sendError(response, 404, `no ${path} here`)

    const script = parseScript(prompt)
    if (script.delayMs > 0) await wait(script.delayMs, undefined, { signal })
    if (script.hang) return
    if (sendRefusal(response, script, () => isDue(times, `status ${prompt}`, script.status?.times))) return
    const cutAfter =
      script.cut !== undefined && isDue(times, `cut ${prompt}`, script.cut.times) ? script.cut.after : undefined
    replies += 1
    const reply = { id: `msg_${replies}`, model: body.model, script, tool: script.tools[given], cutAfter }
    if (body.stream === true) await streamReply(response, reply, signal)
    else sendJson(response, 200, wholeReply(reply))
  }
}

/** Answers with the error the script asks for, if it does. */
function sendRefusal(response: ServerResponse, script: Script, isStatusDue: () => boolean): boolean {
  if (script.usageLimit !== undefined) {
    sendError(response, 429, 'usage limit reached', {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': String(Math.floor(Date.now() / 1_000) + script.usageLimit),
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
    })
    return true
  }
  if (script.status === undefined || !isStatusDue()) return false
  const headers = script.retryAfter === undefined ? {} : { 'retry-after': String(script.retryAfter) }
  sendError(response, script.status.code, `simulated status ${script.status.code}`, headers)
  return true
}

function isDue(times: Map<string, number>, key: string, limit: number | undefined): boolean {
  if (limit === undefined) return true
  const before = times.get(key) ?? 0
  times.set(key, before + 1)
  return before < limit
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

function sendError(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  sendJson(response, status, { type: 'error', error: { type: ERROR_TYPES[status] ?? 'api_error', message } }, headers)
}

function sendJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

function keyOf(request: IncomingMessage): string | undefined {
  const key = request.headers['x-api-key']
  return typeof key === 'string' ? key : request.headers.authorization?.replace(/^Bearer /, '')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new Error(`a body of over ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
