import {
  holdsLastWord,
  rowsToResume,
  type ClaudeSession,
  type Conversation,
  type ConversationState,
  type TurnMessage,
} from '@claude-fleet/claude'
import type { Claim, Log } from '@claude-fleet/queue'
import type { Redact } from '../redactor.js'
import { createMirror } from './mirror.js'

/**
 * What an attempt goes on from, and what it leaves to the next: of a session the conversation, of any job its turn after
 * the first tool result, so that a later attempt need not run its tools again.
 */
export interface Memory {
  /** Undefined: the conversation begins with this turn. */
  readonly conversation: Conversation | undefined
  /** Undefined: an earlier attempt has sent it, and claude goes on. */
  readonly prompt: string | undefined
  /** To be told each message of the turn. */
  said(message: TurnMessage, session: Pick<ClaudeSession, 'newRows'>): void
  /**
   * To be called once the turn has ended and before its outcome is settled. `succeeded`: a session's memory of the turn
   * is brought to Redis whole. Resolves to what its process may be kept for, if for anything; rejects never.
   */
  finish(session: Pick<ClaudeSession, 'newRows'>, succeeded: boolean): Promise<ConversationState | undefined>
}

interface MemoryDeps {
  log: Log
  /** For what is brought to Redis. */
  redact: Redact
}

/** Rejects when the transcript in Redis is broken. */
export async function openMemory(claim: Claim, deps: MemoryDeps): Promise<Memory> {
  const { session, prompt } = claim.spec
  // The first attempt of an ephemeral job has nothing to find, and is not made to wait for the answer.
  const state = session === undefined && claim.attempt === 1 ? undefined : await claim.transcript.state()
  const resumed = state?.interrupted === true ? await turnToResume(claim) : undefined

  if (state !== undefined && resumed !== undefined) {
    const { jobId, attempt } = claim
    deps.log.info(
      { jobId, attempt, rows: resumed.turn.length },
      'the attempt goes on after the last tool result of another',
    )
    const rows = [...resumed.before, ...resumed.turn]
    const load = async () => ({ sessionId: state.sessionId, rows })
    // Of no process that is there: this far only the rows have come.
    const conversation = { id: session ?? jobId, revision: revisionOf(claim, 'resumed'), interrupted: true, load }
    return memoryOf(claim, deps, conversation, undefined, { sessionId: state.sessionId, rows: resumed.turn })
  }
  if (session === undefined || state?.revision === undefined) return memoryOf(claim, deps, undefined, prompt)
  const { sessionId, revision } = state
  const load = async () => ({ sessionId, rows: (await claim.transcript.load()).before })
  return memoryOf(claim, deps, { id: session, revision, interrupted: false, load }, prompt, { sessionId, rows: [] })
}

async function turnToResume(claim: Claim): Promise<{ before: string[]; turn: string[] } | undefined> {
  const { before, turn } = await claim.transcript.load()
  const known = rowsToResume(turn)
  return known === undefined ? undefined : { before, turn: known }
}

/** Names how far a session has come with this attempt. The same words are in the script of the seal. */
const revisionOf = ({ jobId, attempt }: Claim, ...more: string[]): string => [jobId, attempt, ...more].join(':')

function memoryOf(
  claim: Claim,
  deps: MemoryDeps,
  conversation: Conversation | undefined,
  prompt: string | undefined,
  known?: { sessionId: string; rows: readonly string[] },
): Memory {
  const mirror = createMirror(claim, deps, known)
  const { session: id } = claim.spec
  return {
    conversation,
    prompt,
    said(message, session) {
      if (message.type === 'init') mirror.began(message.sessionId)
      // What a turn says while it is wound up is no result of its tools.
      else if (message.type === 'tool_result' && !claim.signal.aborted) mirror.toolEnded(session)
    },
    async finish(session, succeeded) {
      if (id === undefined || !succeeded) {
        await mirror.stop()
        return undefined
      }
      const whole = await mirror.complete(session, holdsLastWord)
      return whole ? { id, revision: revisionOf(claim) } : undefined
    },
  }
}
