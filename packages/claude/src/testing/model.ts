import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** One request that claude made for a model's reply. */
export interface ModelRequest {
  /** The whole body as it was sent. */
  text: string
  /** The last tool result in it, if it answers one. */
  toolResult: string | undefined
  headers: Readonly<Record<string, unknown>>
}

/** What the model does next: speaks, uses a tool, fails, breaks the connection, waits, or never answers. */
export type ModelStep =
  | { text: string }
  | { tool: string; input: object }
  | { wait: number }
  | { status: number; headers?: Record<string, string> }
  | 'cut'
  | 'hang'

/** A Messages API on loopback, for tests with the real claude: `reply` says what the model does with each request. */
export interface Model {
  url: string
  requests: ModelRequest[]
  close(): Promise<void>
}

export async function startModel(reply: (request: ModelRequest, count: number) => ModelStep[]): Promise<Model> {
  const requests: ModelRequest[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const asked = { text, toolResult: lastToolResult(text), headers: request.headers }
      requests.push(asked)
      answer(response, reply(asked, requests.length), requests.length).catch(() => response.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(response: ServerResponse, steps: ModelStep[], count: number): Promise<void> {
  const [first] = steps
  if (typeof first === 'object' && 'status' in first) {
    response.writeHead(first.status, { 'content-type': 'application/json', ...first.headers })
    response.end(JSON.stringify({ type: 'error', error: { type: 'x_error', message: `status ${first.status}` } }))
    return
  }
  if (first === 'hang') return
  const send = (event: { type: string }): boolean =>
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  const usage = { input_tokens: 10, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const message = {
    id: `msg_${count}`,
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-5-5',
    content: [],
    usage,
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  send({ type: 'message_start', message } as { type: string })
  let index = 0
  let open = false
  const block = (content_block: object): void => {
    send({ type: 'content_block_start', index, content_block } as { type: string })
    open = true
  }
  const close = (): void => {
    if (open) send({ type: 'content_block_stop', index } as { type: string })
    if (open) index += 1
    open = false
  }
  const delta = (change: object): void =>
    void send({ type: 'content_block_delta', index, delta: change } as { type: string })
  for (const step of steps) {
    if (step === 'cut') return void response.destroy()
    if (step === 'hang') return
    if ('wait' in step) await delay(step.wait)
    else if ('text' in step) {
      if (!open) block({ type: 'text', text: '' })
      delta({ type: 'text_delta', text: step.text })
    } else if ('tool' in step) {
      close()
      block({ type: 'tool_use', id: `toolu_${count}`, name: step.tool, input: {} })
      delta({ type: 'input_json_delta', partial_json: JSON.stringify(step.input) })
      close()
    }
  }
  close()
  const stop_reason = steps.some((step) => typeof step === 'object' && 'tool' in step) ? 'tool_use' : 'end_turn'
  send({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 20 } } as {
    type: string
  })
  send({ type: 'message_stop' })
  response.end()
}

function lastToolResult(body: string): string | undefined {
  const { messages = [] } = JSON.parse(body || '{}') as { messages?: { role: string; content: unknown }[] }
  const since = messages.slice(messages.findLastIndex((message) => message.role === 'assistant') + 1)
  const blocks = since.flatMap((message) => (Array.isArray(message.content) ? message.content : [])) as {
    type: string
  }[]
  const result = blocks.findLast((block) => block.type === 'tool_result')
  return result === undefined ? undefined : JSON.stringify(result)
}

/** What the model is told by a request, headers included, without what names one process, conversation or connection. */
export function toldBy(request: ModelRequest): unknown {
  const { 'content-length': _length, host: _host, ...headers } = request.headers
  const text = JSON.stringify({ headers, body: JSON.parse(request.text) as unknown })
    // Ids of sessions and requests; the folder of a process; a device; the mark of a build, which is over the prompt's bytes.
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replace(/\d+-\d+-[0-9a-f]{8,}/g, 'FOLDER')
    .replace(/[0-9a-f]{64}/g, 'DEVICE')
    .replace(/cch=[0-9a-f]+/g, 'cch')
  return JSON.parse(text)
}
