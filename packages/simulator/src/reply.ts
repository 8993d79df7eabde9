import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from './fault.js'
import type { Script, ToolUse } from './script.js'

/** One reply of the model: uses of tools, or the answer. */
export interface Reply {
  id: string
  model: string
  script: Script
  /** Uses of tools to reply with; empty: the answer. */
  tools: readonly ToolUse[]
  /** Goes wrong in the middle. */
  fault: Extract<Fault, { pieces: number }> | undefined
}

/**
 * Streams a reply as the Messages API does, in server-sent events. Resolves when it has ended, also by its fault. A reply
 * that hangs lasts until `signal` aborts, and rejects with its reason.
 */
export async function streamReply(response: ServerResponse, reply: Reply, signal: AbortSignal): Promise<void> {
  const { script, tools, fault } = reply
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  if (fault?.kind === 'hang-after' && fault.pieces === 0) {
    response.flushHeaders()
    return hang(signal)
  }
  const send = async (type: string, fields: object = {}) => {
    const room = response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
    if (!room) await once(response, 'drain', { signal })
  }
  let pieces = 0
  const isDue = () => fault !== undefined && pieces >= fault.pieces
  const fail = async () => {
    if (fault?.kind === 'hang-after') return hang(signal)
    if (fault?.kind === 'cut') return drop(response)
    await send('error', { error: { type: 'overloaded_error', message: 'simulated error in a stream' } })
    response.end()
  }
  await send('message_start', { message: message(reply, []) })
  await send('ping')
  for (const [index, block] of blocks(reply).entries()) {
    if (isDue()) return fail()
    await send('content_block_start', { index, content_block: block.start })
    let place = 0
    for (const delta of block.deltas) {
      if (place > 0 && block.gapMs > 0) await wait(block.gapMs, undefined, { signal })
      await send('content_block_delta', { index, delta })
      place += 1
      pieces += 1
      if (isDue()) return fail()
    }
    await send('content_block_stop', { index })
  }
  // A fault past the end of the reply comes before it is complete.
  if (fault !== undefined) return fail()
  await send('message_delta', {
    delta: { stop_reason: stopReason(script, tools), stop_sequence: null },
    usage: { output_tokens: script.tokens.output },
  })
  await send('message_stop')
  response.end()
}

/** The whole reply at once, as the Messages API gives it to a caller that does not stream. */
export function wholeReply(reply: Reply): object {
  const { script, tools } = reply
  const thinking =
    script.thinking === undefined ? [] : [{ type: 'thinking', thinking: script.thinking, signature: SIGNATURE }]
  const content =
    tools.length === 0 ? [{ type: 'text', text: script.text }] : tools.map((use, place) => toolBlock(reply, place, use))
  const whole = message(reply, [...thinking, ...content])
  const usage = { ...whole.usage, output_tokens: script.tokens.output }
  return { ...whole, stop_reason: stopReason(script, tools), usage }
}

interface Block {
  start: object
  deltas: Iterable<object>
  /** ms between its deltas. */
  gapMs: number
}

const SIGNATURE = 'c2lnbmVk'

function blocks(reply: Reply): Block[] {
  const { script, tools } = reply
  const all: Block[] = []
  if (script.thinking !== undefined) {
    all.push({
      start: { type: 'thinking', thinking: '', signature: '' },
      deltas: [
        { type: 'thinking_delta', thinking: script.thinking },
        { type: 'signature_delta', signature: SIGNATURE },
      ],
      gapMs: 0,
    })
  }
  for (const [place, use] of tools.entries()) {
    all.push({
      start: toolBlock(reply, place, { name: use.name, input: {} }),
      deltas: [{ type: 'input_json_delta', partial_json: JSON.stringify(use.input) }],
      gapMs: 0,
    })
  }
  if (tools.length === 0) {
    all.push({ start: { type: 'text', text: '' }, deltas: textDeltas(script), gapMs: script.chunkMs })
  }
  return all
}

function* textDeltas({ text, chunks }: Script): Generator<object> {
  const size = Math.max(1, Math.ceil(text.length / chunks))
  for (let from = 0; from < text.length;) {
    // A surrogate pair is not cut: half of one is no character.
    let to = Math.min(text.length, from + size)
    if (to < text.length && /[\uD800-\uDBFF]/.test(text[to - 1] ?? '')) to += 1
    yield { type: 'text_delta', text: text.slice(from, to) }
    from = to
  }
}

/** Lasts until the caller goes away or the simulator closes. */
export function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
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
    cache_creation_input_tokens: script.tokens.cacheCreation,
    cache_read_input_tokens: script.tokens.cacheRead,
  }
  return { id, type: 'message', role: 'assistant', model, content, stop_reason: null, stop_sequence: null, usage }
}

function toolBlock(reply: Reply, place: number, use: ToolUse): object {
  return { type: 'tool_use', id: `toolu_${reply.id}_${place + 1}`, name: use.name, input: use.input }
}

function stopReason(script: Script, tools: readonly ToolUse[]): string {
  return tools.length === 0 ? script.stopReason : 'tool_use'
}
