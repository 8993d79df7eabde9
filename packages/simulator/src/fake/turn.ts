import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault, PlannedFault } from '../fault.js'
import { hang } from '../reply.js'
import { parseScript, type Script, type ToolUse } from '../script.js'
import { startDaemons } from './daemons.js'
import type { FakeHost } from './host.js'
import type { Misbehaviour } from './misbehaviour.js'
import { noise } from './noise.js'
import type { Output } from './output.js'
import { apiMessage, initLine, messageLine, streamLine, systemLine, usageOf } from './wording.js'
import { addUsage, NO_USAGE, type ModelUsage, type Outcome, type Telling } from './wording.js'

export interface TurnDeps {
  host: FakeHost
  output: Output
  telling: Telling
  faultOf: (prompt: string, faults: readonly PlannedFault[]) => Fault | undefined
  /** Gets what each reply used. */
  spend: (usage: ModelUsage) => void
}

/**
 * Tells one turn from its init to the line before its result, and misbehaves on the way. Resolves to the outcome; rejects
 * with the signal's reason when it is interrupted.
 */
export async function tellTurn(
  deps: TurnDeps,
  prompt: string,
  misbehaviour: Misbehaviour,
  signal: AbortSignal,
): Promise<Outcome> {
  const { host, output, telling } = deps
  const script = parseScript(prompt)
  if (misbehaviour.hangsBeforeInit) await hang(signal)
  await output.line(initLine(telling))
  await output.line(systemLine(telling, 'status', { status: 'requesting' }))
  if (misbehaviour.daemons !== 'none') await startDaemons(misbehaviour.daemons, host.pidsFile)
  await noise(misbehaviour, { host, output, telling }, signal)
  if (misbehaviour.killsParent) host.killParent()
  if (misbehaviour.unsolicited) await host.unsolicited()
  await wait(script.delayMs, undefined, { signal })

  const fault = deps.faultOf(prompt, script.faults)
  if (fault?.kind === 'hang') await hang(signal)
  if (fault?.kind === 'status' || fault?.kind === 'usage-limit') return tellApiError(deps, fault)

  for (const [round, uses] of script.tools.entries()) {
    await tellTools(deps, script, uses)
    const structured = uses.find((use) => use.name === 'StructuredOutput')
    if (structured !== undefined) {
      const more = { structured_output: structured.input }
      const text = JSON.stringify(structured.input)
      return { ...SUCCESS, text, stopReason: 'tool_use', numTurns: round + 2, more }
    }
    await output.line(systemLine(telling, 'status', { status: 'requesting' }))
  }
  const middle = async () => {
    if (misbehaviour.ends !== undefined) await host.end(misbehaviour.ends)
  }
  const hangAt = fault?.kind === 'hang-after' ? fault.pieces : undefined
  await tellText(deps, script, { middle, hangAt }, signal)
  return { ...SUCCESS, text: script.text, stopReason: script.stopReason, numTurns: script.tools.length + 1 }
}

const SUCCESS = { subtype: 'success', isError: false, apiErrorStatus: null, terminalReason: 'completed' } as const

async function tellText(
  { output, telling, spend }: TurnDeps,
  script: Script,
  trouble: { middle: () => Promise<void>; hangAt: number | undefined },
  signal: AbortSignal,
): Promise<void> {
  const id = `msg_${randomUUID()}`
  const tell = (event: object) => output.line(streamLine(telling, id, event))
  await tell({ type: 'message_start', message: apiMessage(telling, id, [], script.tokens) })
  if (script.thinking !== undefined) {
    const delta = { type: 'thinking_delta', thinking: script.thinking }
    await tell({ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } })
    await tell({ type: 'content_block_delta', index: 0, delta })
    await tell({ type: 'content_block_stop', index: 0 })
  }
  const index = script.thinking === undefined ? 0 : 1
  await tell({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } })
  const size = Math.max(1, Math.ceil(script.text.length / script.chunks))
  for (let piece = 0; piece * size < script.text.length; piece += 1) {
    if (trouble.hangAt === piece) await hang(signal)
    if (piece === 1) await trouble.middle()
    if (piece > 0) await wait(script.chunkMs, undefined, { signal })
    signal.throwIfAborted()
    const text = script.text.slice(piece * size, (piece + 1) * size)
    await tell({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } })
  }
  if (trouble.hangAt !== undefined) await hang(signal)
  await trouble.middle()
  const content = [{ type: 'text', text: script.text }]
  const message = apiMessage(telling, id, content, script.tokens)
  await output.line(messageLine(telling, message, { type: 'assistant' }))
  await tell({ type: 'content_block_stop', index })
  await tellEnd(tell, script.stopReason, script)
  spend(usageOf(script))
}

async function tellTools(
  { output, telling, spend }: TurnDeps,
  script: Script,
  uses: readonly ToolUse[],
): Promise<void> {
  const id = `msg_${randomUUID()}`
  const tell = (event: object) => output.line(streamLine(telling, id, event))
  await tell({ type: 'message_start', message: apiMessage(telling, id, [], script.tokens) })
  const blocks = uses.map((use) => ({ type: 'tool_use', id: `toolu_${randomUUID()}`, ...use }))
  for (const [index, block] of blocks.entries()) {
    await tell({ type: 'content_block_start', index, content_block: { ...block, input: {} } })
    const delta = { type: 'input_json_delta', partial_json: JSON.stringify(block.input) }
    await tell({ type: 'content_block_delta', index, delta })
    const message = apiMessage(telling, id, [block], script.tokens)
    await output.line(messageLine(telling, message, { type: 'assistant' }))
    await tell({ type: 'content_block_stop', index })
  }
  await tellEnd(tell, 'tool_use', script)
  spend(usageOf(script))
  for (const block of blocks) {
    // Nothing is run: what a tool would say is made up.
    const result = { type: 'tool_result', tool_use_id: block.id, content: `fake output of ${block.name}` }
    await output.line(messageLine(telling, { role: 'user', content: [result] }, { type: 'user' }))
  }
}

async function tellEnd(tell: (event: object) => Promise<void>, stopReason: string, script: Script): Promise<void> {
  const delta = { stop_reason: stopReason, stop_sequence: null }
  await tell({ type: 'message_delta', delta, usage: { output_tokens: script.tokens.output } })
  await tell({ type: 'message_stop' })
}

async function tellApiError(
  { output, telling }: TurnDeps,
  fault: Extract<Fault, { kind: 'status' | 'usage-limit' }>,
): Promise<Outcome> {
  const status = fault.kind === 'status' ? fault.code : 429
  if (fault.kind === 'usage-limit') {
    const resetsAt = Math.floor(Date.now() / 1_000) + fault.seconds
    const info = { status: 'rejected', resetsAt, rateLimitType: 'five_hour' }
    const common = { uuid: randomUUID(), session_id: telling.sessionId }
    await output.line({ type: 'rate_limit_event', rate_limit_info: info, ...common })
  }
  const noCredit = fault.kind === 'status' && (fault.message?.includes('credit balance') ?? false)
  const text = noCredit ? 'Credit balance is too low' : `API Error: ${status} simulated`
  const error = noCredit ? 'billing_error' : (ERROR_CLASSES[status] ?? 'server_error')
  const message = { id: randomUUID(), model: '<synthetic>', role: 'assistant', content: [{ type: 'text', text }] }
  const more = { type: 'assistant', error, is_api_error_message: true, api_error_status: status }
  await output.line(messageLine(telling, message, more))
  const outcome = { subtype: 'success', isError: true, terminalReason: 'api_error', stopReason: 'stop_sequence' }
  return { ...outcome, text, apiErrorStatus: status, numTurns: 1 }
}

const ERROR_CLASSES: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  401: 'authentication_failed',
  403: 'authentication_failed',
  404: 'model_not_found',
  413: 'invalid_request',
  429: 'rate_limit',
}

/** A counter of what a turn used. */
export function createSpend(): { add(usage: ModelUsage): void; sum(): ModelUsage } {
  let sum = NO_USAGE
  return {
    add: (usage) => void (sum = addUsage(sum, usage)),
    sum: () => sum,
  }
}
