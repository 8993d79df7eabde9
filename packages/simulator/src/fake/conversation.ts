import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { createFaultCounter } from '../fault.js'
import { answerControl, requestSchema } from './control.js'
import type { FakeHost } from './host.js'
import { createMemory } from './memory.js'
import { readMisbehaviour, type Misbehaviour } from './misbehaviour.js'
import type { Output } from './output.js'
import type { SpendLog } from './spend-log.js'
import { createSpend, tellTurn } from './turn.js'
import { addUsage, initLine, messageLine, NO_USAGE, resultLine, type Outcome, type Telling } from './wording.js'

/** The conversation of a fake claude: one turn at a time, prompts that come meanwhile wait in order. */
export interface Conversation {
  /** A line of stdin. */
  line(text: string): void
  /** The end of stdin: ends the process when the turns are done. */
  end(): void
  /** SIGINT: interrupts the turn, then ends. */
  interruptAndEnd(): void
  /** A turn may make the process ignore SIGTERM. */
  readonly ignoresTerm: boolean
}

export interface ConversationDeps {
  host: Omit<FakeHost, 'unsolicited'>
  output: Output
  log: SpendLog
}

export interface ConversationOptions {
  /** Marks of the whole process. */
  marks: string
  model: string
  permissionMode: string
  sessionId: string
  /** Folder of claude's configuration, where it keeps its conversations; undefined: it keeps none. */
  config: string | undefined
}

const lineSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('user'),
    uuid: z.string().optional(),
    message: z.looseObject({
      role: z.literal('user'),
      content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))]),
    }),
  }),
  z.looseObject({ type: z.literal('control_request'), request_id: z.string(), request: requestSchema }),
])

interface Prompt {
  text: string
  uuid: string | undefined
}

export function createConversation(deps: ConversationDeps, options: ConversationOptions): Conversation {
  const { output, log } = deps
  const host: FakeHost = { ...deps.host, unsolicited }
  const { misbehaviour: ofProcess } = readMisbehaviour(options.marks)
  const faultOf = createFaultCounter()
  const { model, permissionMode, sessionId } = options
  const telling: Telling = { model, permissionMode, sessionId, cwd: host.cwd }
  const memory = createMemory(options.config, sessionId)
  const waiting: Prompt[] = []
  let total = NO_USAGE
  let results = 0
  let lastFailed = false
  let { ignoresTerm, ignoresEof } = ofProcess
  let turn: { interrupt: AbortController; ignores: boolean } | undefined
  let state: 'open' | 'ending' | 'stuck' = 'open'
  let bySignal = false

  async function pump(): Promise<void> {
    if (turn !== undefined || state === 'stuck') return
    const next = waiting.shift()
    if (next === undefined) {
      if (state === 'ending' && !ignoresEof) await host.end({ code: lastFailed && !bySignal ? 1 : 0 })
      return
    }
    const interrupt = new AbortController()
    const { misbehaviour, rest } = readMisbehaviour(`${options.marks}${next.text}`)
    turn = { interrupt, ignores: misbehaviour.ignoresInterrupt }
    const remembers = memory.earlier()
    log({ event: 'prompt', pid: host.pid, at: Date.now(), prompt: next.text, remembers })
    ignoresTerm ||= misbehaviour.ignoresTerm
    ignoresEof ||= misbehaviour.ignoresEof
    output.split(misbehaviour.splits)
    await lifecycle(next, 'started')
    if (next.text.trim() === '/clear') await clear(next)
    else await converse(next, rest, misbehaviour, interrupt.signal)
    await lifecycle(next, 'completed')
    if (misbehaviour.exitsAfter !== undefined) await host.end({ code: misbehaviour.exitsAfter })
    if (misbehaviour.hangsAfter) state = 'stuck'
    turn = undefined
    if (misbehaviour.unsolicitedAfterMs !== undefined) {
      void later(misbehaviour.unsolicitedAfterMs)
    }
    return pump()
  }

  async function converse(
    prompt: Prompt,
    text: string,
    misbehaviour: Misbehaviour,
    signal: AbortSignal,
  ): Promise<void> {
    const startedAt = performance.now()
    const spend = createSpend()
    let outcome: Outcome
    memory.prompt(prompt.text)
    try {
      outcome = await tellTurn({ host, output, telling, faultOf, spend: spend.add }, text, misbehaviour, signal)
      memory.answer(outcome.text ?? '')
    } catch (error) {
      if (!signal.aborted) throw error
      const content = [{ type: 'text', text: '[Request interrupted by user]' }]
      await output.line(messageLine(telling, { role: 'user', content }, { type: 'user' }))
      outcome = INTERRUPTED
    }
    total = addUsage(total, spend.sum())
    lastFailed = outcome.isError
    if (!misbehaviour.hasResult) return
    const durationMs = Math.round(performance.now() - startedAt)
    const uuids = prompt.uuid === undefined ? [] : [prompt.uuid]
    const result = resultLine(telling, outcome, { spent: spend.sum(), total, index: results, durationMs, uuids })
    results += 1
    if (!misbehaviour.halfResult) {
      log({ event: 'answer', pid: host.pid, at: Date.now() })
      return output.line(result)
    }
    const whole = JSON.stringify(result)
    await output.bytes(whole.slice(0, whole.length / 2))
    await host.end({ code: 0 })
  }

  async function clear(prompt: Prompt): Promise<void> {
    const id = randomUUID()
    const uuids = prompt.uuid === undefined ? [] : [prompt.uuid]
    const reset = { type: 'conversation_reset', new_conversation_id: id, uuid: id, trigger: 'clear' }
    await output.line({ ...reset, user_message_uuid: prompt.uuid, session_id: telling.sessionId })
    telling.sessionId = randomUUID()
    memory.begin(telling.sessionId)
    total = NO_USAGE
    lastFailed = false
    await output.line(initLine(telling))
    const more = { local_command: 'clear' }
    const outcome: Outcome = { subtype: 'success', isError: false, text: '', stopReason: null, numTurns: 0, more }
    const meta = { spent: NO_USAGE, total, index: results, durationMs: 1, uuids }
    results += 1
    await output.line(resultLine(telling, outcome, meta))
  }

  async function unsolicited(): Promise<void> {
    const text = 'Nobody asked for this.'
    await output.line(initLine(telling))
    const message = { id: `msg_${randomUUID()}`, model: telling.model, role: 'assistant' }
    const content = [{ type: 'text', text }]
    await output.line(messageLine(telling, { ...message, content }, { type: 'assistant' }))
    const more = { origin: { kind: 'task-notification', producer: 'session-task' } }
    const outcome: Outcome = { subtype: 'success', isError: false, text, stopReason: 'end_turn', numTurns: 1, more }
    const meta = { spent: NO_USAGE, total, index: results, durationMs: 1, uuids: [] }
    results += 1
    await output.line(resultLine(telling, outcome, meta))
  }

  async function later(ms: number): Promise<void> {
    await wait(ms)
    await unsolicited()
  }

  async function lifecycle(prompt: Prompt, to: 'queued' | 'started' | 'completed'): Promise<void> {
    if (prompt.uuid === undefined) return
    const common = { uuid: randomUUID(), session_id: telling.sessionId }
    await output.line({ type: 'command_lifecycle', command_uuid: prompt.uuid, state: to, ...common })
  }

  async function control(id: string, request: z.infer<typeof requestSchema>): Promise<void> {
    if (ofProcess.startHang) return
    if (request.subtype === 'interrupt') {
      if (turn?.ignores === true) return
      await reply(id, { response: { still_queued: [] } })
      turn?.interrupt.abort(new Error('interrupted'))
      return
    }
    await reply(id, answerControl(request, telling, total.costUSD))
  }

  function reply(id: string, answer: ReturnType<typeof answerControl>): Promise<void> {
    const response =
      'error' in answer
        ? { subtype: 'error', request_id: id, error: answer.error, error_code: answer.code }
        : { subtype: 'success', request_id: id, response: answer.response }
    return output.line({ type: 'control_response', response })
  }

  async function take(text: string): Promise<void> {
    if (text.trim() === '') return
    const parsed = lineSchema.safeParse(parseJson(text))
    if (!parsed.success) {
      if (isIgnored(text)) return
      // Claude dies of it, with these words (measured, 2.1.330).
      host.stderr(`Error parsing streaming input line (type=unknown, ${text.length} chars): SyntaxError\n`)
      return host.end({ code: 1 })
    }
    if (parsed.data.type === 'control_request') return control(parsed.data.request_id, parsed.data.request)
    if (ofProcess.startHang) return
    const { content } = parsed.data.message
    const said = typeof content === 'string' ? content : content.flatMap((block) => block.text ?? []).join('\n')
    const prompt = { text: said, uuid: parsed.data.uuid }
    await lifecycle(prompt, 'queued')
    waiting.push(prompt)
    return pump()
  }

  /** What goes wrong in here is the simulator's own fault, and is not hidden behind one it was asked for. */
  const run = (work: Promise<void>) => {
    work.catch((error: unknown) => {
      host.stderr(`the fake claude failed: ${error instanceof Error ? error.stack : String(error)}\n`)
      void host.end({ code: 70 })
    })
  }
  return {
    line: (text) => run(take(text)),
    end() {
      state = state === 'open' ? 'ending' : state
      run(pump())
    },
    interruptAndEnd() {
      bySignal = true
      state = state === 'open' ? 'ending' : state
      turn?.interrupt.abort(new Error('interrupted'))
      run(pump())
    },
    get ignoresTerm() {
      return ignoresTerm
    },
  }
}

const INTERRUPTED: Outcome = {
  subtype: 'error_during_execution',
  isError: true,
  errors: ['[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null'],
  terminalReason: 'aborted_streaming',
  stopReason: null,
  numTurns: 1,
}

/** JSON with a type that is not one of those claude reads. */
function isIgnored(text: string): boolean {
  const named = z.looseObject({ type: z.string() }).safeParse(parseJson(text))
  return named.success && named.data.type !== 'user'
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
