import { addUsage, NO_USAGE, type Usage } from '@claude-fleet/core'
import { denialSchema, type ClaudeMessage } from '../protocol/message.js'
import type { ResultMessage, TurnFacts, TurnMessage, TurnStop, ExitFacts } from '../types.js'
import { createAnswer } from './answer.js'
import { riseOver, spendOfResult, usageOf } from './spend.js'
import { toolOutput } from './tool-output.js'

const LOG_LINE_CHARS = 65_536

export interface TurnReaderOptions {
  /** `uuid` the prompt was sent with. A result that names other prompts is not ours. Undefined: claude began the turn itself. */
  promptUuid: string | undefined
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

type Of<T extends ClaudeMessage['type']> = Extract<ClaudeMessage, { type: T }>

export function createTurnReader(options: TurnReaderOptions): TurnReader {
  const answer = createAnswer()
  /** False while claude still does another turn than ours. */
  let ours = true
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

  function readStream({ event, parent_tool_use_id: parent, abandoned_blocks: abandoned }: Of<'stream_event'>) {
    if (typeof parent === 'string') return []
    switch (event.type) {
      case 'message_start':
        if (event.message === undefined) return []
        // What a reply says of its own tokens at the start; its output is counted when it ends.
        usage = addUsage(usage, { ...usageOf(event.message.usage), outputTokens: 0 })
        return answer.begin(event.message.id)
      case 'content_block_delta':
        return readDelta(event.index ?? 0, event.delta)
      case 'message_delta':
        answer.endsWith(event.delta?.stop_reason ?? undefined)
        usage = addUsage(usage, { ...NO_USAGE, outputTokens: usageOf(event.usage).outputTokens })
        return []
      case 'message_stop':
        return answer.end(abandoned && { messageId: abandoned.api_message_id, fromBlock: abandoned.from_block_index })
      default:
        return []
    }
  }

  function readDelta(block: number, delta: Of<'stream_event'>['event']['delta']): TurnMessage[] {
    if (delta?.type === 'text_delta') return answer.delta(block, delta.text ?? '')
    if (delta?.type === 'thinking_delta' && delta.thinking) return [{ type: 'thinking', text: delta.thinking }]
    return []
  }

  function readAssistant({ message, error, parent_tool_use_id: parent }: Of<'assistant'>): TurnMessage[] {
    const uses = message.content.filter((block) => block.type === 'tool_use')
    for (const { name = '' } of uses) tools.set(name, (tools.get(name) ?? 0) + 1)
    if (typeof parent === 'string') return []
    if (error !== undefined && error !== null) assistantError = error
    // Claude's own words about a failure; they come again in the result.
    if (message.model === '<synthetic>') return []
    if (message.model !== undefined) model = message.model
    const texts = message.content.flatMap(({ type, text = '' }, block) => (type === 'text' ? [{ block, text }] : []))
    const said = answer.whole(message.id, texts)
    for (const { id = '', name = '', input } of uses) {
      running.add(id)
      answer.toolUse()
      said.push({ type: 'tool_use', id, name, input })
    }
    return said
  }

  function readUser({ message, parent_tool_use_id: parent }: Of<'user'>): TurnMessage[] {
    if (typeof parent === 'string' || typeof message.content === 'string') return []
    const said: TurnMessage[] = []
    for (const block of message.content) {
      if (block.type !== 'tool_result') continue
      const id = block.tool_use_id ?? ''
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
        return answer.retry()
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
    const plain = succeeded && message.structured_output === undefined && message.result !== undefined
    const said = plain ? answer.complete(message.result ?? '') : []
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
      return [{ type: 'log', stream, line: shortened(line) }]
    },
    total(total) {
      costUsd = riseOver(total, options.costBefore)
      return [{ type: 'spend', usage, costUsd }]
    },
    stopping: answer.stopping,
    get result() {
      return result
    },
    get rounds() {
      return answer.rounds
    },
    get toolRunning() {
      return running.size > 0
    },
    get outputBytes() {
      return answer.bytes
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
      text: answer.text,
      usage,
      costUsd,
      model,
      sessionId,
      numTurns: result?.num_turns ?? answer.rounds,
      replies: answer.replies,
      tools: Object.fromEntries(tools),
      permissionDenials: [...denials].map(([toolUseId, toolName]) => ({ toolName, toolUseId })),
      log: { ...log },
      backgroundTasks,
    }),
  }
}

/** A line that is no message can be of any length, and nobody reads it to its end. */
function shortened(line: string): string {
  if (line.length <= LOG_LINE_CHARS) return line
  return `${line.slice(0, LOG_LINE_CHARS).replace(/[\uD800-\uDBFF]$/, '')} (${line.length} characters in all)`
}

/** An unsolicited result (a background task, a peer session) has an `origin`; ours lists our prompt where it lists any. */
function answers(result: ResultMessage, promptUuid: string | undefined): boolean {
  if (result.origin !== undefined && result.origin !== null) return false
  if (promptUuid === undefined) return true
  const { user_message_uuids: uuids, user_message_uuid: uuid } = result
  if (Array.isArray(uuids)) return uuids.includes(promptUuid)
  return uuid === undefined || uuid === null || uuid === promptUuid
}

function deniedTools(result: ResultMessage): { toolName: string; toolUseId: string }[] {
  if (!Array.isArray(result.permission_denials)) return []
  return result.permission_denials.flatMap((denial: unknown) => {
    const parsed = denialSchema.safeParse(denial)
    return parsed.success ? [{ toolName: parsed.data.tool_name, toolUseId: parsed.data.tool_use_id }] : []
  })
}
