import type {
  JobErrorCode,
  PermissionMode,
  ProcessEndReason,
  RetryDecision,
  StartKind,
  Usage,
} from '@claude-fleet/core'
import type { Transcript } from './session/transcript.js'

/** All that decides how a `claude` process is launched and what its conversation begins with. */
export interface SessionSpec {
  tenant: string
  /** Absolute path of an existing folder. */
  cwd: string
  /** HOME of the process, one a tenant: sessions under one HOME can message each other. `CLAUDE_CONFIG_DIR` is below it. */
  home: string
  /** Name of the credential, for keys and logs. Its values are in `env`. */
  credential: string
  /** The whole environment beyond what the launch itself sets: credential, proxy and CA variables, the job's own. */
  env: Readonly<Record<string, string>>
  permissionMode: PermissionMode
  model?: string | undefined
  systemPrompt?: string | undefined
  appendSystemPrompt?: string | undefined
  allowedTools?: readonly string[] | undefined
  disallowedTools?: readonly string[] | undefined
  /** JSON Schema of the structured output. */
  outputSchema?: Readonly<Record<string, unknown>> | undefined
  /** Load the workspace's own settings and CLAUDE.md. They are code: only where the operator trusts the folder. */
  trustWorkspace: boolean
  /** The conversation that is gone on with; undefined: a new one. */
  conversation?: Conversation | undefined
}

/** A conversation that was had before, here or on another host. */
export interface Conversation extends ConversationState {
  /** What a start restores. Asked for only where no process has it. Rejects with FleetError. */
  load: () => Promise<Transcript>
  /**
   * Its last turn was cut off: claude goes on with it by itself as it starts, and `turn` is given no prompt. Only for a
   * turn that was really cut off: claude would go on with one that failed too.
   */
  interrupted: boolean
}

/** Which conversation, and how far it has come: a process that has it serves only what is equal in both. */
export interface ConversationState {
  id: string
  revision: string
}

/** One `claude` process and its conversation. Made by the pool; used by one lease at a time. */
export interface ClaudeSession {
  readonly pid: number
  /** Version the process says it is. */
  readonly version: string
  /**
   * Sends one prompt (undefined: none, the turn was cut off and goes on) and yields what comes back, in order, ending with exactly one `end` message. Never throws for
   * what claude or the process does: that is in the end's facts. Only one turn at a time: a second call throws.
   *
   * Aborting `signal` interrupts the turn (`interrupt` on stdin, then the stop sequence); the iterable still ends
   * with an `end` message. A consumer that stops iterating early aborts the turn too.
   */
  turn(prompt: string | undefined, options: TurnOptions): AsyncIterable<TurnMessage>
  /**
   * The rows of its transcript that were written since the last call, of the restored ones none; whole rows only. Claude
   * writes them a few ms after the message that tells of them. Not across a reset.
   */
  newRows(): Promise<string[]>
  /**
   * Why its conversation cannot be gone on with in this process: its last turn failed or was stopped, or left something
   * running. Undefined when it can.
   */
  whyNotContinue(): Promise<string | undefined>
  /**
   * Halts the process and everything it started (SIGSTOP); the timers of its turn stand still. Resolves when none runs.
   * A turn that is stopped meanwhile is not interrupted but ended: its processes do not go on.
   */
  suspend(): Promise<void>
  /** Lets them go on. Does nothing when they were not suspended. */
  resume(): void
  /**
   * Pids of what its tools have left running: all that claude started and that lives, whatever it did to hide. To be
   * asked between turns: a process with any may not be given to another job.
   */
  strays(): Promise<number[]>
  /**
   * Can it be the same as a later start at all? Not in a git repository, whose state is read at the start, and not in a
   * trusted workspace, whose settings are: there every lease gets a start of its own.
   */
  readonly lasts: boolean
  /** Would a start bring the same now? False once the claude file or the folder it works in is another one, or it has died. */
  isCurrent(): Promise<boolean>
  /**
   * Makes it as new after a turn that succeeded: no conversation, another session id, empty folders, nothing running.
   * Resolves to why that is not proven, and it may not serve another job; undefined when it is. Never rejects.
   */
  reset(): Promise<string | undefined>
  /** Resident memory of claude, bytes; undefined where it is not known. */
  memoryBytes(): Promise<number | undefined>
  /** Ends the process and everything it started. Resolves when none of them lives. Safe to call twice. */
  close(): Promise<void>
  /** Resolves when the process has ended, however it did. */
  readonly exited: Promise<ExitFacts>
}

export interface TurnOptions {
  signal: AbortSignal
  /** Running time of the whole turn, ms. Ends with `stop: 'timeout'`. */
  timeoutMs: number
  /** Longest silence while waiting for the model, ms. A running tool is not silence. Ends with `stop: 'idle'`. */
  idleTimeoutMs: number
  /** Model round trips allowed; enforced from the stream. Ends with `stop: 'turns'`. */
  maxTurns?: number | undefined
  /** USD this turn may cost; checked after each reply. Ends with `stop: 'budget'`. */
  maxBudgetUsd?: number | undefined
  /** Text of the answer kept for the result, bytes of UTF-8; more ends the turn with `stop: 'output'`. */
  maxOutputBytes?: number | undefined
  /** Told of every line to and from the process, from the start of the turn to its end. Must not throw. */
  trace?: Trace | undefined
}

/** `in`: a line of the process's stdin; `out`, `err`: of its stdout and stderr. Without the line break. */
export type Trace = (direction: 'in' | 'out' | 'err', line: string) => void

/** What a turn says, in the words of the fleet's events. */
export type TurnMessage =
  | { type: 'init'; sessionId: string; model: string; version: string }
  | { type: 'text'; text: string }
  | { type: 'thinking'; text: string }
  | { type: 'text_reset' }
  | { type: 'tool_use'; id: string; name: string; input: unknown }
  | { type: 'tool_result'; id: string; isError: boolean; output: string; truncated: boolean }
  | { type: 'log'; stream: 'stdout' | 'stderr'; line: string }
  /** Tokens and USD of this turn so far, absolute. */
  | { type: 'spend'; usage: Usage; costUsd: number }
  | { type: 'end'; facts: TurnFacts }

/** Why the fleet itself stopped a turn. The first reason wins. */
export type TurnStop = 'aborted' | 'timeout' | 'idle' | 'turns' | 'budget' | 'output' | 'startup'

export interface ExitFacts {
  code: number | null
  signal: string | null
  /** The last lines of stderr, at most 8 KiB. */
  stderrTail: string
}

/** Everything the verdict needs to know about how a turn went. Plain data: recordings can be turned into it. */
export interface TurnFacts {
  /** The `result` message that answers our prompt, as claude sent it (parsed, unknown fields kept). */
  result: ResultMessage | undefined
  /** Set when the process ended before, or right after, the result. */
  exit: ExitFacts | undefined
  stop: TurnStop | undefined
  /** `error` class of the last synthetic assistant message (`authentication_failed`, `billing_error`, ...). */
  assistantError: string | undefined
  /** Latest `rate_limit_event` of the turn that was a refusal; `resetsAt` in ms since the epoch. */
  usageLimit: { resetsAt: number; type: string } | undefined
  /** From `api_retry` notices: the last status (null: no HTTP reply) and how many there were. */
  apiRetries: { count: number; lastStatus: number | null; lastDelayMs: number } | undefined
  /** Was a structured output asked for? */
  wantsStructuredOutput: boolean
  /** Text after the last reset: what a subscriber has on the screen. */
  text: string
  usage: Usage
  costUsd: number
  model: string
  sessionId: string
  numTurns: number
  /** Replies of the model that came whole. What failed before one is no round trip that was had. */
  replies: number
  tools: Readonly<Record<string, number>>
  permissionDenials: readonly { toolName: string; toolUseId: string }[]
  log: { lines: number; errors: number; warnings: number }
  /** Background tasks that still ran at the end. */
  backgroundTasks: number
  stderrTail: string
}

/** `result` of stream-json; only the fields the fleet relies on are named. */
export interface ResultMessage {
  type: 'result'
  subtype: string
  is_error: boolean
  result?: string | undefined
  errors?: string[] | undefined
  api_error_status?: number | null | undefined
  terminal_reason?: string | undefined
  stop_reason?: string | null | undefined
  structured_output?: unknown
  session_id: string
  num_turns: number
  [key: string]: unknown
}

/** What a turn amounts to. Pure function of TurnFacts. */
export type Verdict =
  | { outcome: 'completed'; text: string; structuredOutput: unknown }
  | { outcome: 'cancelled' }
  | {
      outcome: 'failed'
      code: JobErrorCode
      message: string
      decision: RetryDecision
      /** ms since the epoch; with `park`. */
      retryAt: number | undefined
      details: Record<string, unknown>
    }

/** The exclusive right of one attempt to one session. Left undisposed, it discards. */
export interface Lease extends AsyncDisposable {
  readonly session: ClaudeSession
  readonly start: StartKind
  /**
   * The attempt succeeded: the process serves again where it proves to be as new, else it is ended. Throws when the lease
   * was already given back. Resolves once that is decided.
   */
  release(): Promise<void>
  /**
   * The attempt succeeded, and its conversation is to go on: the process is kept for a spec whose `conversation` is equal
   * to this, with all else as it was. It is ended where it may not be kept. As `release` otherwise.
   */
  keep(conversation: ConversationState): Promise<void>
  /** Not to be used again: resolves when no process of it lives. Throws when the lease was already given back. */
  discard(): Promise<void>
}

export interface PoolStats {
  created: number
  reused: number
  spare: number
  cold: number
  destroyed: number
  /** `destroyed`, by reason. */
  destroyedBy: Readonly<Partial<Record<ProcessEndReason, number>>>
  /** Leased now. */
  leased: number
  /** Started and unused now. */
  spares: number
  /** Used, as new again, and not leased now. */
  idle: number
  waiting: number
}

export interface SessionPool {
  /**
   * A session for `spec`: one that has served an equal spec and is as new, else a spare, else one that is started. Waits
   * in order while `max` are out. Rejects with FleetError `SPAWN_FAILED` when a process could not be started, with the
   * signal's reason when aborted, with `TIMEOUT` after `timeoutMs` (default: never), and `WORKER_LOST` once the pool
   * drains. What was begun for it is then the next one's.
   */
  acquire(spec: SessionSpec, options: { signal: AbortSignal; timeoutMs?: number | undefined }): Promise<Lease>
  /** Is there a process that has this conversation, in whatever state, and nobody's now? */
  hasConversation(id: string): boolean
  stats(): PoolStats
  /** Refuses new and waiting acquires at once and ends what is idle; leased sessions go on. */
  drain(): void
  /** Drains, then ends every process. Resolves when none lives. Safe to call twice. */
  stop(): Promise<void>
}
