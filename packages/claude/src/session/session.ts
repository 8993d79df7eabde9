import { FleetError } from '@claude-fleet/core'
import { createLaunch, initializeRequest, type LaunchOptions } from '../launch/launch.js'
import type { ProcessCare } from '../care/care.js'
import { startProcess, type LineProcess } from '../process/process.js'
import { parseMessage } from '../protocol/message.js'
import { residentBytes } from '../process/process-table.js'
import type { ClaudeSession, ExitFacts, SessionSpec, Trace, TurnFacts, TurnMessage } from '../types.js'
import { makeSessionFolder } from './folder.js'
import { createControl, type ControlReply } from './control.js'
import { createReset, type Reset } from './reset.js'
import { runTurn, type RunningTurn, type TurnSettings } from './turn.js'
import { totalCost } from '../turn/spend.js'
import { identityOf } from './identity.js'
import { createTranscriptTail, type TranscriptTail } from './transcript.js'

export interface SessionTimes {
  /** From the spawn to the reply to `initialize`, and from a prompt to the first word of its turn, ms. */
  startupMs: number
  /** From `interrupt` to the result that must follow, ms. */
  interruptMs: number
  /** For all of a reset, ms. */
  resetMs: number
  /** From SIGTERM to SIGKILL, ms. */
  termMs: number
  /** From SIGKILL until it is an error that something still lives, ms. */
  killMs: number
}

export interface SessionDeps extends LaunchOptions {
  care: ProcessCare
  /** Does `spawnWrapper` put anything before the command? */
  isWrapped: boolean
  times: SessionTimes
  /** Longest line of claude's stdout, bytes. */
  maxLineBytes: number
  /** Default of a turn's `maxOutputBytes`. */
  maxOutputBytes: number
  /** Longest output of one tool result in a message, bytes of UTF-8. */
  toolOutputBytes: number
  /** Keep what is said while the process starts, and give it to the trace of the first turn. */
  traceStart: boolean
}

/**
 * Starts a process and its conversation. Rejects with FleetError `SPAWN_FAILED`, or with the signal's reason when
 * aborted; nothing of the process lives then.
 */
export async function startSession(spec: SessionSpec, signal: AbortSignal, deps: SessionDeps): Promise<ClaudeSession> {
  signal.throwIfAborted()
  const { times } = deps
  // Before the spawn: what is replaced while it starts is noticed.
  const identity = await identityOf(deps.claude.file, spec.cwd)
  const cage = await deps.care
    .cage(deps.isWrapped ? [deps.claude.file, ...deps.claude.args] : undefined)
    .catch((cause: unknown) => {
      throw new FleetError('SPAWN_FAILED', 'a cage for the claude process could not be made', { cause })
    })
  const folder = await makeSessionFolder(spec.home, deps.care.owner, cage.mark.nonce)
  let turn: RunningTurn | undefined
  let costUsd = 0
  let backgroundTasks = 0
  const early: Parameters<Trace>[] = []
  let reset: Reset | undefined
  let resetting = false
  let lastTurn: TurnFacts | undefined
  let sessionId: string | undefined
  let tail: { sessionId: string; file: TranscriptTail } | undefined
  /** What claude says of a turn that it goes on with by itself, until that is asked for. */
  let unread: string[] | undefined = spec.conversation?.interrupted === true ? [] : undefined
  let trace: Trace | undefined = deps.traceStart ? (...said) => void early.push(said) : undefined

  const read = (line: string): void => {
    trace?.('out', line)
    const message = parseMessage(line)
    if (unread !== undefined && message?.type !== 'control_response') unread.push(line)
    if (message?.type === 'system' && message.subtype === 'init' && message.session_id !== undefined)
      sessionId = message.session_id
    if (message?.type === 'control_response') control.read(message)
    else if (message?.type === 'control_request') control.refuse(message.request_id, message.request.subtype)
    reset?.line(line, message, turn !== undefined || unread !== undefined)
    turn?.line(line, message)
  }
  const stderrLine = (line: string): void => {
    trace?.('err', line)
    turn?.stderrLine(line)
  }
  const broken = (): void => {
    // What follows is not read any more, so this process can serve no other turn.
    if (turn !== undefined) turn.stop('output')
    else void child.end().catch(() => undefined)
  }

  let child: LineProcess
  try {
    const resume = await restore()
    child = await startProcess(
      createLaunch(spec, { folder, cage, resume }, deps),
      { line: read, stderrLine, sent: (line) => trace?.('in', line), broken },
      { cage, times, maxLineBytes: deps.maxLineBytes },
    )
  } catch (cause) {
    await Promise.all([folder.remove(), cage.remove()])
    if (cause instanceof FleetError) throw cause
    throw new FleetError('SPAWN_FAILED', 'the claude process could not be started', { cause })
  }
  const control = createControl(child.send)
  const resetOf = createReset(child, control, folder, times.resetMs)
  reset = resetOf
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= child.end().then(folder.remove)
    return closing
  }

  async function restore(): Promise<{ sessionId: string; interrupted: boolean } | undefined> {
    if (spec.conversation === undefined) return undefined
    const { interrupted } = spec.conversation
    const transcript = await spec.conversation.load()
    signal.throwIfAborted()
    const bytes = await folder.restore(transcript)
    sessionId = transcript.sessionId
    tail = { sessionId, file: createTranscriptTail(() => folder.transcriptFile(transcript.sessionId), bytes) }
    return { sessionId, interrupted }
  }

  let version: string
  try {
    version = await initialize()
  } catch (error) {
    await close()
    throw error
  }

  async function initialize(): Promise<string> {
    const late = AbortSignal.timeout(times.startupMs)
    const reply = await Promise.race([
      control.request(initializeRequest(spec)),
      child.exited,
      aborted(AbortSignal.any([signal, late])),
    ])
    if (reply === 'aborted') {
      signal.throwIfAborted()
      throw spawnFailed(`claude was not ready within ${times.startupMs} ms`, child)
    }
    if ('stderrTail' in reply) throw spawnFailed('claude ended while it was started', child)
    if (!reply.ok) throw spawnFailed('claude refused to begin the conversation', child)
    return versionIn(reply)
  }

  async function* iterate(running: RunningTurn): AsyncGenerator<TurnMessage, void> {
    try {
      for (;;) {
        const message = await running.next()
        yield message
        if (message.type === 'end') return
      }
    } finally {
      // A consumer that left early: the turn is wound up without it.
      running.stop('aborted')
      await running.ended
    }
  }

  function whyNoReset(): string | undefined {
    // Hooks of a trusted workspace tell a cleared conversation from a new one.
    if (spec.trustWorkspace) return 'its workspace has settings of its own'
    if (identity === undefined) return 'what it knows of its folder may change'
    return whyNotAtRest()
  }

  /** A failed turn, or one that left something behind, may have left more than is known. */
  function whyNotAtRest(): string | undefined {
    const result = lastTurn?.result
    if (turn !== undefined || resetting) return 'it is not idle'
    if (result === undefined || result.is_error || result.subtype !== 'success' || lastTurn?.stop !== undefined) {
      return 'its last turn did not succeed'
    }
    if (backgroundTasks > 0) return 'a background task runs'
    return child.exit === undefined ? undefined : 'it ended'
  }

  return {
    pid: child.pid,
    version,
    exited: child.exited,
    async newRows() {
      if (sessionId === undefined) return []
      const id = sessionId
      if (tail?.sessionId !== id) tail = { sessionId: id, file: createTranscriptTail(() => folder.transcriptFile(id)) }
      return tail.file.read()
    },
    async whyNotContinue() {
      const why = whyNotAtRest()
      if (why !== undefined) return why
      if (resetOf.spoke) return 'it spoke unasked'
      const strays = await cage.strays()
      return strays.length === 0 ? undefined : 'something it started still runs'
    },
    lasts: identity !== undefined && !spec.trustWorkspace,
    strays: () => cage.strays(),
    async isCurrent() {
      if (identity === undefined || resetOf.spoke || child.exit !== undefined) return false
      return (await identityOf(deps.claude.file, spec.cwd)) === identity
    },
    async reset() {
      const why = whyNoReset()
      if (why !== undefined) return why
      resetting = true
      const [cleared, strays] = await Promise.all([resetOf.run(), cage.strays().catch(() => undefined)])
      resetting = false
      costUsd = 0
      if (cleared !== undefined) return cleared
      if (strays === undefined) return 'what it has started is not known'
      return strays.length === 0 ? undefined : 'something it started still runs'
    },
    async memoryBytes() {
      const pid = await cage.leader()
      return pid === undefined ? undefined : residentBytes(pid)
    },
    close,
    suspend() {
      turn?.hold(true)
      return child.suspension.suspend()
    },
    resume() {
      if (!child.suspension.halted) return
      child.suspension.resume()
      turn?.hold(false)
    },
    turn(prompt, options) {
      if (turn !== undefined || resetting) throw new FleetError('INTERNAL', 'this session already runs a turn')
      if ((prompt === undefined) !== (unread !== undefined))
        throw new FleetError('INTERNAL', 'a turn has a prompt, unless it was cut off and goes on by itself')
      const settings: TurnSettings = {
        wantsStructuredOutput: spec.outputSchema !== undefined,
        costBefore: costUsd,
        backgroundTasks,
        startupMs: times.startupMs,
        interruptMs: times.interruptMs,
        toolOutputBytes: deps.toolOutputBytes,
        maxOutputBytes: deps.maxOutputBytes,
      }
      trace = options.trace
      for (const said of early.splice(0)) trace?.(...said)
      const running = runTurn(child, control, prompt, options, settings, (facts) => {
        turn = undefined
        trace = undefined
        if (facts.result !== undefined) costUsd = totalCost(facts.result) ?? costUsd
        backgroundTasks = facts.backgroundTasks
        lastTurn = facts
      })
      // Already aborted: it has ended before it began.
      if (!running.hasEnded) turn = running
      const begun = unread ?? []
      unread = undefined
      for (const line of begun) turn?.line(line, parseMessage(line))
      return iterate(running)
    },
  }
}

function versionIn(reply: Extract<ControlReply, { ok: true }>): string {
  const version = reply.response.claude_code_version
  return typeof version === 'string' ? version : ''
}

function spawnFailed(message: string, child: LineProcess): FleetError {
  const exit: ExitFacts | undefined = child.exit
  return new FleetError('SPAWN_FAILED', message, {
    details:
      exit === undefined ? {} : { exitCode: exit.code, signal: exit.signal, stderr: exit.stderrTail.slice(-1_000) },
  })
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted')
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true })
  })
}
