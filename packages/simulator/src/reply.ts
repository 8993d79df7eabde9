import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { Script } from './script.js'

/** One reply of the model: a tool use, or the answer. */
export interface Reply {
  id: string
  model: string
  script: Script
  tool: { name: string; input: unknown } | undefined
  /** Drop the connection after this many pieces. */
  cutAfter: number | undefined
}

/** Streams a reply as the Messages API does, in server-sent events. Stops when the caller goes away. */
export async function streamReply(response: ServerResponse, reply: Reply, signal: AbortSignal): Promise<void> {
  const { script, tool } = reply
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const send = async (type: string, fields: object = {}) => {
    const room = response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
    if (!room) await once(response, 'drain', { signal })
  }
  let index = 0
  const block = async (content_block: object, deltas: AsyncIterable<object> | Iterable<object>) => {
    await send('content_block_start', { index, content_block })
    for await (const delta of deltas) await send('content_block_delta', { index, delta })
    await send('content_block_stop', { index })
    index += 1
  }

  await send('message_start', { message: message(reply, []) })
  if (reply.cutAfter === 0) return drop(response)
  if (script.thinking !== undefined) {
    await block({ type: 'thinking', thinking: '', signature: '' }, [
      { type: 'thinking_delta', thinking: script.thinking },
      { type: 'signature_delta', signature: 'c2lnbmVk' },
    ])
  }
  if (tool !== undefined) {
    await block(toolBlock(reply, {}), [{ type: 'input_json_delta', partial_json: JSON.stringify(tool.input) }])
  } else {
    await block({ type: 'text', text: '' }, textDeltas(reply, response, signal))
    if (response.closed) return
  }
  await send('message_delta', {
    delta: { stop_reason: stopReason(reply), stop_sequence: null },
    usage: { output_tokens: script.tokens.output },
  })
  await send('message_stop')
  response.end()
}

/** The whole reply at once, as the Messages API gives it to a caller that does not stream. */
export function wholeReply(reply: Reply): object {
  const content =
    reply.tool === undefined ? [{ type: 'text', text: reply.script.text }] : [toolBlock(reply, reply.tool.input)]
  const whole = message(reply, content)
  return {
    ...whole,
    stop_reason: stopReason(reply),
    usage: { ...whole.usage, output_tokens: reply.script.tokens.output },
  }
}

async function* textDeltas(reply: Reply, response: ServerResponse, signal: AbortSignal) {
  const { text, chunks, chunkMs } = reply.script
  const size = Math.max(1, Math.ceil(text.length / chunks))
  for (let sent = 0; sent * size < text.length; sent += 1) {
    if (sent === reply.cutAfter) return drop(response)
    if (sent > 0 && chunkMs > 0) await wait(chunkMs, undefined, { signal })
    yield { type: 'text_delta', text: text.slice(sent * size, (sent + 1) * size) }
  }
}

/** Breaks the connection in the middle of the reply, after what was written has been sent. */
async function drop(response: ServerResponse): Promise<void> {
  response.socket?.destroySoon()
  if (!response.closed) await once(response, 'close')
}

function message({ id, model, script }: Reply, content: object[]) {
  const usage = {
    input_tokens: script.tokens.input,
    output_tokens: 1,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  }
  return { id, type: 'message', role: 'assistant', model, content, stop_reason: null, stop_sequence: null, usage }
}

function toolBlock(reply: Reply, input: unknown): object {
  return { type: 'tool_use', id: `toolu_${reply.id}`, name: reply.tool?.name, input }
}

function stopReason(reply: Reply): string {
  return reply.tool === undefined ? 'end_turn' : 'tool_use'
}
