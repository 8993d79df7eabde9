import { addUsage, NO_USAGE, type Usage } from '@claude-fleet/core'
import type { ClaudeMessage } from '../protocol/message.js'
import type { ResultMessage, TurnFacts, TurnMessage, TurnStop, ExitFacts } from '../types.js'
import { createScreen } from './screen.js'
import { riseOver, spendOfResult, usageOf } from './spend.js'
import { toolOutput } from './tool-output.js'

export interface TurnReaderOptions {
  /** `uuid` the prompt was sent with. A result that names other prompts is not ours. */
  promptUuid: string
  wantsStructuredOutput: boolean
  /** `total_cost_usd` of the process before this turn, USD. */
  costBefore: number
  /** Background tasks that ran before this turn. */
  backgroundTasks: number
  /** Longest output of one tool result that is passed on, bytes of UTF-8. */
  toolOutputBytes: number
}

/** Reads one turn: claude's messages in, the fleet's out. No I/O and no clock, so a recording reads like a process. */
export interface TurnReader {
  read(message: ClaudeMessage): TurnMessage[]
  log(stream: 'stdout' | 'stderr', line: string): TurnMessage[]
  /** The running total of the process, USD, as claude gave it in the middle of the turn. */
  total(costUsd: number): TurnMessage[]
  /** From now on claude only winds the turn up: what it takes back does not come again. */
  stopping(): void
  readonly result: ResultMessage | undefined
  /** Model round trips begun. */
  readonly rounds: number
  /** A tool of the main loop runs: silence is its own. */
  readonly toolRunning: boolean
  readonly outputBytes: number
  readonly costUsd: number
  readonly backgroundTasks: number
  facts(end: { exit: ExitFacts | undefined; stop: TurnStop | undefined; stderrTail: string }): TurnFacts
}

/** Reply stops after which claude goes on in the same answer by itself (measured for `max_tokens`). */
const CONTINUED: ReadonlySet<string> = new Set(['max_tokens', 'pause_turn'])

type Of<T extends ClaudeMessage['type']> = Extract<ClaudeMessage, { type: T }>

export function createTurnReader(options: TurnReaderOptions): TurnReader {
  const screen = createScreen()
  /** The reply being streamed; `open` until its message_stop, `stopReason` of the last that ended. */
  let reply: { id: string; open: boolean; stopReason: string | undefined; streamed: boolean } | undefined
  let continued = false
  /** False while claude still does another turn than ours. */
  let ours = true
  let winding = false
  let rounds = 0
  let result: ResultMessage | undefined
  let sessionId = ''
  let model = ''
  let usage: Usage = NO_USAGE
  let costUsd = 0
  let backgroundTasks = options.backgroundTasks
  let assistantError: string | undefined
  let usageLimit: TurnFacts['usageLimit']
  let apiRetries: TurnFacts['apiRetries']
  const tools = new Map<string, number>()
  const running = new Set<string>()
  const denials = new Map<string, string>()
  const log = { lines: 0, errors: 0, warnings: 0 }

  function text(messageId: string, block: number, delta: string): TurnMessage[] {
    if (delta === '') return []
    screen.append(messageId, block, delta)
    return [{ type: 'text', text: delta }]
  }

  /** Takes text back. What stays of the answer is said again, since a reset voids all of it. */
  function takeBack(messageId: string, fromBlock: number): TurnMessage[] {
    if (winding || !screen.remove(messageId, fromBlock)) return []
    const kept = screen.text
    return kept === '' ? [{ type: 'text_reset' }] : [{ type: 'text_reset' }, { type: 'text', text: kept }]
  }

  function replaceText(answer: string): TurnMessage[] {
    const shown = screen.text
    screen.clear()
    screen.append('', 0, answer)
    if (answer.startsWith(shown)) {
      const rest = answer.slice(shown.length)
      return rest === '' ? [] : [{ type: 'text', text: rest }]
    }
    return answer === '' ? [{ type: 'text_reset' }] : [{ type: 'text_reset' }, { type: 'text', text: answer }]
  }

  /** A new reply begins: an unfinished one before it is void, and so is a finished one that a nudge has superseded. */
  function begin(id: string): TurnMessage[] {
    const before = reply
    reply = { id, open: true, stopReason: undefined, streamed: false }
    rounds += before?.open === true ? 0 : 1
    if (before === undefined) return []
    if (before.open) return takeBack(before.id, 0)
    if (before.stopReason !== undefined && CONTINUED.has(before.stopReason)) {
      continued = true
      return []
    }
    if (winding || screen.bytes === 0) return []
    screen.clear()
    continued = false
    return [{ type: 'text_reset' }]
  }

  function readStream({
    event,
    parent_tool_use_id: parent,
    abandoned_blocks: abandoned,
  }: Of<'stream_event'>): TurnMessage[] {
    if (typeof parent === 'string') return []
    if (event.type === 'message_start' && event.message !== undefined) {
      // What a reply says of its own tokens at the start; its output is counted when it ends.
      usage = addUsage(usage, { ...usageOf(event.message.usage), outputTokens: 0 })
      return begin(event.message.id)
    }
    if (reply === undefined) return []
    if (event.type === 'content_block_delta') {
      if (event.delta?.type === 'thinking_delta') return [{ type: 'thinking', text: event.delta.thinking ?? '' }]
      if (event.delta?.type !== 'text_delta') return []
      reply.streamed = true
      return text(reply.id, event.index ?? 0, event.delta.text ?? '')
    }
    if (event.type === 'message_delta') {
      reply.stopReason = event.delta?.stop_reason ?? undefined
      usage = addUsage(usage, { ...NO_USAGE, outputTokens: usageOf(event.usage).outputTokens })
    }
    if (event.type !== 'message_stop') return []
    reply.open = false
    return abandoned === undefined ? [] : takeBack(abandoned.api_message_id, abandoned.from_block_index)
  }

  function readAssistant({ message, error, parent_tool_use_id: parent }: Of<'assistant'>): TurnMessage[] {
    const said: TurnMessage[] = []
    for (const block of message.content) {
      if (block.type !== 'tool_use') continue
      const name = String(block.name)
      tools.set(name, (tools.get(name) ?? 0) + 1)
    }
    if (typeof parent === 'string') return said
    if (error !== undefined && error !== null) assistantError = error
    // Claude's own words about a failure; they come again in the result.
    if (message.model === '<synthetic>') return said
    if (message.model !== undefined) model = message.model
    // Not streamed: claude fell back to a plain request, or an older claude that streams nothing.
    if (reply?.id !== message.id) {
      said.push(...begin(message.id))
      if (reply !== undefined) reply.open = false
    }
    for (const [index, block] of message.content.entries()) {
      if (block.type === 'text' && reply?.streamed === false)
        said.push(...text(message.id, index, String(block.text ?? '')))
      if (block.type !== 'tool_use') continue
      const id = String(block.id)
      running.add(id)
      screen.clear()
      continued = false
      said.push({ type: 'tool_use', id, name: String(block.name), input: block.input })
    }
    return said
  }

  function readUser({ message, parent_tool_use_id: parent }: Of<'user'>): TurnMessage[] {
    if (typeof parent === 'string' || typeof message.content === 'string') return []
    const said: TurnMessage[] = []
    for (const block of message.content) {
      if (block.type !== 'tool_result') continue
      const id = String(block.tool_use_id)
      running.delete(id)
      said.push({
        type: 'tool_result',
        id,
        isError: block.is_error === true,
        ...toolOutput(block.content, options.toolOutputBytes),
      })
    }
    return said
  }

  function readSystem(message: Of<'system'>): TurnMessage[] {
    switch (message.subtype) {
      case 'init':
        if (!ours) return []
        sessionId = message.session_id ?? sessionId
        model = message.model ?? model
        return [{ type: 'init', sessionId, model, version: message.claude_code_version ?? '' }]
      case 'api_retry':
        apiRetries = {
          count: (apiRetries?.count ?? 0) + 1,
          lastStatus: message.error_status ?? null,
          lastDelayMs: message.retry_delay_ms ?? 0,
        }
        // An older claude retries without saying that what it streamed is void.
        return reply?.open === true ? takeBack(reply.id, 0) : []
      case 'permission_denied':
        if (message.tool_use_id !== undefined) denials.set(message.tool_use_id, message.tool_name ?? '')
        return []
      case 'background_tasks_changed':
        backgroundTasks = message.tasks?.length ?? 0
        return []
      default:
        return []
    }
  }

  function readRateLimit({ rate_limit_info: info }: Of<'rate_limit_event'>): TurnMessage[] {
    if (info.status === 'rejected' && typeof info.resetsAt === 'number') {
      usageLimit = { resetsAt: info.resetsAt * 1_000, type: info.rateLimitType ?? '' }
    }
    return []
  }

  function readResult(message: ResultMessage): TurnMessage[] {
    if (!answers(message, options.promptUuid)) return []
    result = message
    sessionId = message.session_id === '' ? sessionId : message.session_id
    for (const denial of deniedTools(message)) denials.set(denial.toolUseId, denial.toolName)
    const spend = spendOfResult(message, options.costBefore)
    usage = spend.usage
    costUsd = spend.costUsd
    const succeeded = message.subtype === 'success' && !message.is_error
    const said: TurnMessage[] = []
    // The result has the last reply only; where claude went on after `max_tokens` the parts together are the answer.
    if (succeeded && message.structured_output === undefined && message.result !== undefined) {
      if (!(continued && screen.text.endsWith(message.result))) said.push(...replaceText(message.result))
    }
    return [...said, { type: 'spend', usage, costUsd }]
  }

  function read(message: ClaudeMessage): TurnMessage[] {
    switch (message.type) {
      case 'command_lifecycle':
        if (message.command_uuid === options.promptUuid) ours = message.state !== 'queued'
        return []
      case 'system':
        return readSystem(message)
      case 'stream_event':
        return ours ? readStream(message) : []
      case 'assistant':
        return ours ? readAssistant(message) : []
      case 'user':
        return ours ? readUser(message) : []
      case 'rate_limit_event':
        return readRateLimit(message)
      case 'result':
        return readResult(message)
      default:
        return []
    }
  }

  return {
    read,
    log(stream, line) {
      log.lines += 1
      if (/\berror\b/i.test(line)) log.errors += 1
      else if (/\bwarn(ing)?\b/i.test(line)) log.warnings += 1
      return [{ type: 'log', stream, line }]
    },
    total(total) {
      costUsd = riseOver(total, options.costBefore)
      return [{ type: 'spend', usage, costUsd }]
    },
    stopping() {
      winding = true
    },
    get result() {
      return result
    },
    get rounds() {
      return rounds
    },
    get toolRunning() {
      return running.size > 0
    },
    get outputBytes() {
      return screen.bytes
    },
    get costUsd() {
      return costUsd
    },
    get backgroundTasks() {
      return backgroundTasks
    },
    facts: (end) => ({
      result,
      ...end,
      assistantError,
      usageLimit,
      apiRetries,
      wantsStructuredOutput: options.wantsStructuredOutput,
      text: screen.text,
      usage,
      costUsd,
      model,
      sessionId,
      numTurns: result?.num_turns ?? rounds,
      tools: Object.fromEntries(tools),
      permissionDenials: [...denials].map(([toolUseId, toolName]) => ({ toolName, toolUseId })),
      log: { ...log },
      backgroundTasks,
    }),
  }
}

/** An unsolicited result (a background task, a peer session) has an `origin`; ours lists our prompt where it lists any. */
function answers(result: ResultMessage, promptUuid: string): boolean {
  if (result.origin !== undefined && result.origin !== null) return false
  const { user_message_uuids: uuids, user_message_uuid: uuid } = result
  if (Array.isArray(uuids)) return uuids.includes(promptUuid)
  return uuid === undefined || uuid === null || uuid === promptUuid
}

function deniedTools(result: ResultMessage): { toolName: string; toolUseId: string }[] {
  if (!Array.isArray(result.permission_denials)) return []
  return (result.permission_denials as { tool_name?: unknown; tool_use_id?: unknown }[]).map((denial) => ({
    toolName: String(denial.tool_name),
    toolUseId: String(denial.tool_use_id),
  }))
}
