import { randomUUID } from 'node:crypto'
import type { Script } from '../script.js'

/** The version a fake claude says it has. */
export const FAKE_VERSION = '2.1.330'

/** What of a conversation its lines tell. */
export interface Telling {
  sessionId: string
  cwd: string
  model: string
  permissionMode: string
}

export interface ModelUsage {
  inputTokens: number
  outputTokens: number
  cacheReadInputTokens: number
  cacheCreationInputTokens: number
  costUSD: number
}

export const NO_USAGE: ModelUsage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  costUSD: 0,
}

/** USD a token of claude-opus-5-5, as recorded. */
const INPUT_USD = 4 / 1_000_000
const OUTPUT_USD = 20 / 1_000_000

export function usageOf({ tokens }: Script): ModelUsage {
  return {
    inputTokens: tokens.input,
    outputTokens: tokens.output,
    cacheReadInputTokens: tokens.cacheRead,
    cacheCreationInputTokens: tokens.cacheCreation,
    costUSD: tokens.input * INPUT_USD + tokens.output * OUTPUT_USD,
  }
}

export function addUsage(a: ModelUsage, b: ModelUsage): ModelUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadInputTokens: a.cacheReadInputTokens + b.cacheReadInputTokens,
    cacheCreationInputTokens: a.cacheCreationInputTokens + b.cacheCreationInputTokens,
    costUSD: a.costUSD + b.costUSD,
  }
}

export function initLine(telling: Telling): object {
  return {
    type: 'system',
    subtype: 'init',
    cwd: telling.cwd,
    session_id: telling.sessionId,
    tools: ['Bash', 'Edit', 'Read'],
    mcp_servers: [],
    model: telling.model,
    permissionMode: telling.permissionMode,
    slash_commands: ['clear'],
    apiKeySource: 'ANTHROPIC_API_KEY',
    claude_code_version: FAKE_VERSION,
    output_style: 'default',
    agents: [],
    skills: [],
    plugins: [],
    capabilities: ['interrupt_receipt_v1'],
    uuid: randomUUID(),
  }
}

export function systemLine(telling: Telling, subtype: string, fields: object): object {
  return { type: 'system', subtype, ...fields, session_id: telling.sessionId, uuid: randomUUID() }
}

export function streamLine(telling: Telling, messageId: string, event: object, more: object = {}): object {
  const common = { session_id: telling.sessionId, parent_tool_use_id: null, uuid: randomUUID() }
  return { type: 'stream_event', event, ...common, api_message_id: messageId, ...more }
}

export function messageLine(telling: Telling, message: object, more: object = {}): object {
  const common = { parent_tool_use_id: null, session_id: telling.sessionId, uuid: randomUUID() }
  return { message, ...common, timestamp: new Date().toISOString(), ...more }
}

export function apiMessage(telling: Telling, id: string, content: object[], tokens: Script['tokens']): object {
  const usage = {
    input_tokens: tokens.input,
    output_tokens: 1,
    cache_creation_input_tokens: tokens.cacheCreation,
    cache_read_input_tokens: tokens.cacheRead,
  }
  const { model } = telling
  return { id, type: 'message', role: 'assistant', model, content, stop_reason: null, stop_sequence: null, usage }
}

export interface Outcome {
  subtype: string
  isError: boolean
  /** Of a turn that has text, also the text of an error. */
  text?: string
  errors?: string[]
  apiErrorStatus?: number | null
  terminalReason?: string
  stopReason: string | null
  numTurns: number
  more?: object
}

/** A result, as claude writes it at the end of a turn. `spent` is this turn's, `total` the process's since `/clear`. */
export function resultLine(
  telling: Telling,
  outcome: Outcome,
  meta: { spent: ModelUsage; total: ModelUsage; index: number; durationMs: number; uuids: string[] },
): object {
  const { spent, total } = meta
  return {
    type: 'result',
    subtype: outcome.subtype,
    is_error: outcome.isError,
    duration_ms: meta.durationMs,
    duration_api_ms: meta.durationMs,
    num_turns: outcome.numTurns,
    stop_reason: outcome.stopReason,
    session_id: telling.sessionId,
    total_cost_usd: total.costUSD,
    usage: {
      input_tokens: spent.inputTokens,
      output_tokens: spent.outputTokens,
      cache_creation_input_tokens: spent.cacheCreationInputTokens,
      cache_read_input_tokens: spent.cacheReadInputTokens,
    },
    modelUsage: total.costUSD === 0 ? {} : { [telling.model]: total },
    model_usage_since_last_result: spent.costUSD === 0 ? {} : { [telling.model]: spent },
    permission_denials: [],
    ...(outcome.terminalReason === undefined ? {} : { terminal_reason: outcome.terminalReason }),
    ...(outcome.apiErrorStatus === undefined ? {} : { api_error_status: outcome.apiErrorStatus }),
    ...(outcome.text === undefined ? {} : { result: outcome.text }),
    ...(outcome.errors === undefined ? {} : { errors: outcome.errors }),
    ...(meta.uuids.length === 0 ? {} : { user_message_uuid: meta.uuids.at(-1), user_message_uuids: meta.uuids }),
    ...outcome.more,
    result_index: meta.index,
    queued_turn_count: 0,
    uuid: randomUUID(),
  }
}
