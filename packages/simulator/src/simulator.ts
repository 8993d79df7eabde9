import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { createFaultCounter } from './fault.js'
import { createLedger, type Ledger, type LedgerEntry } from './ledger.js'
import { sendError, sendFault, sendJson } from './refusal.js'
import { hang, streamReply, wholeReply } from './reply.js'
import { isSubagent, kindOf, promptOf, requestSchema, systemOf, textsOf, type ModelBody } from './request.js'
import { parseScript } from './script.js'

export interface SimulatorOptions {
  /** Default 0: a free one. */
  port?: number
  /** Default `127.0.0.1`. It asks nobody for a key, so anything else lets others in. */
  host?: string
  /** ms before the first byte of every answer, beside what a prompt asks for; default 0. */
  delayMs?: number
  /** Entries the ledger keeps; default 10,000. */
  ledgerEntries?: number
  /** Characters of request text the ledger keeps, over all entries; default 256 Mi. */
  ledgerCharacters?: number
  /** Keys and tokens that are let in; others get 401. Default: any. */
  keys?: readonly string[]
  /** Gets a line for every request when it has ended, without what was in it. */
  log?: (line: string) => void
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

/** Of a request; the API's own limit is 32 MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
/** ms a connection is kept that nobody uses. Longer than a warm claude is idle, who would meet a closed one. */
const KEEP_ALIVE_MS = 3_600_000

/**
 * Starts a simulated Messages API that the real `claude` can talk to. What it answers is told by marks in the prompt (see
 * the README); without any it echoes the prompt. Rejects when the port is taken.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const host = options.host ?? '127.0.0.1'
  const ledger = createLedger({
    entries: options.ledgerEntries ?? 10_000,
    characters: options.ledgerCharacters ?? 256 * 1024 * 1024,
  })
  const answer = createAnswer(ledger, options)
  const closing = new AbortController()
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    const startedAt = performance.now()
    const gone = new AbortController()
    response.once('close', () => {
      gone.abort()
      const status = response.headersSent ? response.statusCode : 'none'
      options.log?.(`${request.method} ${request.url} ${status} ${Math.round(performance.now() - startedAt)} ms`)
    })
    answer(request, response, AbortSignal.any([gone.signal, closing.signal])).catch((error: unknown) => {
      if (gone.signal.aborted || closing.signal.aborted) return
      if (response.headersSent) response.destroy()
      else sendError(response, 500, `the simulator failed: ${String(error)}`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
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

function createAnswer(ledger: ReturnType<typeof createLedger>, { delayMs = 0, keys }: SimulatorOptions): Answer {
  const faultOf = createFaultCounter()
  let requests = 0
  return async (request, response, signal) => {
    requests += 1
    response.setHeader('request-id', `req_${requests}`)
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    if (path === '/' && request.method !== 'POST') return sendJson(response, 200, { simulator: true })
    if (request.method === 'HEAD') return void response.writeHead(200).end()
    const { key = '' } = credentialOf(request)
    if (keys !== undefined && !keys.includes(key)) return sendError(response, 401, 'invalid x-api-key')
    if (request.method === 'GET' && path === '/v1/models') {
      return sendJson(response, 200, { data: [{ type: 'model', id: 'claude-simulated' }], has_more: false })
    }
    if (request.method !== 'POST') return sendError(response, 404, `no ${path} here`)
    const raw = await readBody(request)
    if (raw === undefined) return sendError(response, 413, `a body of over ${MAX_BODY_BYTES} bytes`)
    const parsed = requestSchema.safeParse(parseJson(raw))
    if (!parsed.success) return sendError(response, 400, `not a Messages request: ${parsed.error.message}`)
    const body = parsed.data
    const { prompt, replies } = promptOf(body)
    const script = parseScript(prompt)
    const entry: LedgerEntry = { ...entryOf(body, path, prompt), raw, marks: script.marks, ...credentialOf(request) }
    record(ledger, entry, response)
    if (path === '/v1/messages/count_tokens') {
      return sendJson(response, 200, { input_tokens: script.tokens.input })
    }
    if (path !== '/v1/messages') return sendError(response, 404, `no ${path} here`)

    // A title or a summary quotes the prompt, marks and all; they are not for it.
    const tools = (entry.kind === 'turn' ? script.tools[replies] : undefined) ?? []
    const isHeldBack = script.late && tools.length > 0
    const wholeDelayMs = delayMs + (isHeldBack ? 0 : script.delayMs)
    if (wholeDelayMs > 0) await wait(wholeDelayMs, undefined, { signal })
    const fault = isHeldBack || entry.kind === 'side' ? undefined : faultOf(prompt, script.faults)
    entry.fault = fault?.kind
    if (fault?.kind === 'hang') return hang(signal)
    if (fault?.kind === 'reset') return void response.socket?.resetAndDestroy()
    if (fault?.kind === 'status' || fault?.kind === 'usage-limit') {
      return sendFault(response, fault, { model: body.model, retryAfter: script.retryAfter })
    }
    const reply = { id: `msg_${requests}`, model: body.model, script, tools, fault }
    if (body.stream === true) return streamReply(response, reply, signal)
    await sendWhole(response, reply, signal)
  }
}

/** A reply that does not stream has no middle: it hangs or breaks as a whole, and no error can be within it. */
async function sendWhole(
  response: ServerResponse,
  reply: Parameters<typeof wholeReply>[0],
  signal: AbortSignal,
): Promise<void> {
  const { script, fault } = reply
  if (fault?.kind === 'hang-after') return hang(signal)
  if (fault?.kind === 'cut') return void response.socket?.destroy()
  if (reply.tools.length === 0) await wait(script.chunkMs * script.chunks, undefined, { signal })
  sendJson(response, 200, wholeReply(reply))
}

function entryOf(body: ModelBody, path: string, prompt: string) {
  return {
    at: Date.now(),
    kind: kindOf(path, body, prompt),
    subagent: isSubagent(body),
    method: 'POST',
    path,
    model: body.model,
    system: systemOf(body),
    tools: (body.tools ?? []).flatMap((tool) => (tool.name === undefined ? [] : [tool.name])),
    userTexts: body.messages.filter((message) => message.role === 'user').flatMap(textsOf),
    prompt,
    stream: body.stream === true,
    body,
    fault: undefined,
    status: undefined,
    endedAt: undefined,
    aborted: false,
  }
}

/** Adds the entry, and says in it how its answer went. */
function record(ledger: ReturnType<typeof createLedger>, entry: LedgerEntry, response: ServerResponse): void {
  ledger.add(entry)
  // `finish` comes before `close`, and only when all of the answer was handed over.
  response.once('close', () => {
    entry.status = response.headersSent ? response.statusCode : undefined
    entry.endedAt = Date.now()
    entry.aborted = !response.writableFinished && entry.fault !== 'cut' && entry.fault !== 'reset'
    ledger.changed(entry)
  })
}

function credentialOf(request: IncomingMessage): Pick<LedgerEntry, 'key' | 'auth'> {
  const key = request.headers['x-api-key']
  if (typeof key === 'string') return { key, auth: 'x-api-key' }
  const { authorization } = request.headers
  return authorization === undefined
    ? { key: undefined, auth: undefined }
    : { key: authorization.replace(/^Bearer /, ''), auth: 'bearer' }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Undefined: too large. The rest of it is read and dropped, so that the caller gets the answer. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString()
}
