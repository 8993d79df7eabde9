import { randomUUID } from 'node:crypto'
import type { LineProcess } from '../process/process.js'
import { usageReplySchema, type ClaudeMessage } from '../protocol/message.js'
import { createTurnReader } from '../turn/reader.js'
import type { TurnFacts, TurnMessage, TurnOptions, TurnStop } from '../types.js'
import type { Control } from './control.js'
import { createMessageQueue } from './message-queue.js'

export interface TurnSettings {
  wantsStructuredOutput: boolean
  costBefore: number
  backgroundTasks: number
  /** Until the first line of the turn must have come, ms. */
  startupMs: number
  /** From `interrupt` to the result that must follow, ms. Then the process is ended. */
  interruptMs: number
  toolOutputBytes: number
  maxOutputBytes: number
}

/** A turn that runs. The session feeds it what its process says. */
export interface RunningTurn {
  /** One line of stdout, and what it was parsed to. */
  line(line: string, message: ClaudeMessage | undefined): void
  stderrLine(line: string): void
  stop(reason: TurnStop): void
  /** The process is halted: the timers stand still, and a stop ends it at once. */
  hold(halted: boolean): void
  next(): Promise<TurnMessage>
  /** Resolves after the `end` message was queued. */
  readonly ended: Promise<void>
  readonly hasEnded: boolean
}

const HIGH_CHARACTERS = 256 * 1024
const LOW_CHARACTERS = 64 * 1024

/**
 * Sends `prompt`, or takes the turn that claude goes on with by itself, and runs it: reader, timers, limits and the way to stop. One reason to stop wins, the first;
 * then `interrupt`, the result that follows it (which says what the turn cost), else the end of the process.
 */
export function runTurn(
  process: LineProcess,
  control: Control,
  prompt: string | undefined,
  options: TurnOptions,
  settings: TurnSettings,
  onEnd: (facts: TurnFacts) => void,
): RunningTurn {
  const promptUuid = prompt === undefined ? undefined : randomUUID()
  const reader = createTurnReader({ promptUuid, ...settings })
  const timers = { timeout: undefined, idle: undefined, interrupt: undefined } as Record<
    'timeout' | 'idle' | 'interrupt',
    NodeJS.Timeout | undefined
  >
  let stop: TurnStop | undefined
  let heard = false
  let pressed = false
  let done = false
  let resolveEnded: () => void
  const ended = new Promise<void>((resolve) => (resolveEnded = resolve))
  /** The reply being streamed asks for tools. */
  let wantsTools = false
  const queue = createMessageQueue({
    high: HIGH_CHARACTERS,
    low: LOW_CHARACTERS,
    onPressure(now) {
      pressed = now
      // While the turn winds up it is read whatever the consumer does: the end must not wait for it.
      if (now && stop === undefined) process.pause()
      else process.resume()
      restartIdle()
    },
  })

  const stopTurn = (reason: TurnStop): void => {
    if (stop !== undefined || done) return
    stop = reason
    reader.stopping()
    clearTimeout(timers.idle)
    process.resume()
    // Only a process that goes on could do what `interrupt` asks.
    if (process.suspension.halted) return endProcess()
    void control.request({ subtype: 'interrupt' })
    timers.interrupt = setTimeout(endProcess, settings.interruptMs)
  }

  const endProcess = (): void => {
    // That it cannot be ended is told by `close`, which asks for the same end.
    process.end().catch(() => undefined)
  }

  const finish = (): void => {
    if (done) return
    done = true
    for (const timer of Object.values(timers)) clearTimeout(timer)
    options.signal.removeEventListener('abort', onAbort)
    process.resume()
    const facts = reader.facts({ exit: process.exit, stop, stderrTail: process.stderrTail })
    onEnd(facts)
    queue.push([{ type: 'end', facts }])
    resolveEnded()
  }

  /** Silence counts while the model is waited for: not while a tool runs, and not while our own consumer is slow. */
  const restartIdle = (): void => {
    clearTimeout(timers.idle)
    if (done || stop !== undefined || pressed || process.suspension.halted || reader.toolRunning) return
    const [reason, ms] = heard ? (['idle', options.idleTimeoutMs] as const) : (['startup', settings.startupMs] as const)
    timers.idle = setTimeout(() => stopTurn(reason), ms)
  }

  /** What the turn cost so far is told by claude when asked, in a few ms, also while a tool runs (measured). */
  const checkBudget = async (): Promise<void> => {
    const reply = await control.request({ subtype: 'get_usage' })
    const usage = usageReplySchema.safeParse(reply.ok ? reply.response : undefined)
    if (done || !usage.success) return
    queue.push(reader.total(usage.data.session.total_cost_usd))
    if (options.maxBudgetUsd !== undefined && reader.costUsd >= options.maxBudgetUsd) stopTurn('budget')
  }

  const checkLimits = (message: ClaudeMessage): void => {
    if (reader.outputBytes > (options.maxOutputBytes ?? settings.maxOutputBytes)) stopTurn('output')
    // This request is one too many, and interrupted: its reply is not waited for, though a model that answers within a
    // few ms may still get one in. The tools of the last round have run, as with claude's own --max-turns.
    const requests = message.type === 'system' && message.subtype === 'status' && message.status === 'requesting'
    if (options.maxTurns !== undefined && reader.rounds >= options.maxTurns + (requests ? 0 : 1)) stopTurn('turns')
    if (message.type !== 'stream_event' || typeof message.parent_tool_use_id === 'string') return
    const { event } = message
    if (event.type === 'message_delta') wantsTools = event.delta?.stop_reason === 'tool_use'
    if (event.type === 'message_stop' && wantsTools) void checkBudget()
  }

  const onAbort = (): void => stopTurn('aborted')

  let leftMs = options.timeoutMs
  let runsSince = performance.now()
  const restartTimeout = (): void => {
    runsSince = performance.now()
    timers.timeout = setTimeout(() => stopTurn('timeout'), leftMs)
  }
  restartTimeout()
  options.signal.addEventListener('abort', onAbort)
  void process.exited.then(finish)
  restartIdle()
  if (options.signal.aborted) {
    // Nothing was sent, so there is nothing to interrupt. A process that goes on by itself is ended with its lease.
    stop = 'aborted'
    finish()
  } else if (prompt !== undefined) {
    process.send({
      type: 'user',
      uuid: promptUuid,
      session_id: '',
      parent_tool_use_id: null,
      message: { role: 'user', content: [{ type: 'text', text: asText(prompt) }] },
    })
  }

  return {
    line(line, message) {
      if (done) return
      heard = true
      if (message === undefined) queue.push(reader.log('stdout', line))
      else {
        queue.push(reader.read(message))
        checkLimits(message)
      }
      if (reader.result !== undefined) finish()
      else restartIdle()
    },
    stderrLine(line) {
      if (!done) queue.push(reader.log('stderr', line))
    },
    stop: stopTurn,
    hold(halted) {
      if (done || stop !== undefined) return
      if (halted) {
        clearTimeout(timers.timeout)
        clearTimeout(timers.idle)
        leftMs = Math.max(0, leftMs - (performance.now() - runsSince))
      } else {
        restartTimeout()
        restartIdle()
      }
    },
    next: () => queue.next(),
    ended,
    get hasEnded() {
      return done
    },
  }
}

/** A prompt that begins with `/` would be taken for a command of claude's own; after a line end it is text (measured). */
function asText(prompt: string): string {
  return prompt.startsWith('/') ? `\n${prompt}` : prompt
}
