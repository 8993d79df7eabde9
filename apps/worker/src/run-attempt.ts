import { verdict, type ConversationState, type Lease, type SessionPool, type TurnFacts } from '@claude-fleet/claude'
import type { AttemptOutcome, Claim, Log } from '@claude-fleet/queue'
import { eventOf } from './event-of.js'
import { createEventRedactor } from './event-redactor.js'
import { holdWhileDoubtful } from './hold.js'
import { openMemory, type Memory } from './memory/memory.js'
import { completed, failed, failedBeforeTurn, limitsSpent, stopped, type Attempt } from './outcome.js'
import type { Redact } from './redactor.js'
import type { SessionSpecSource } from './session-spec.js'
import type { Traces } from './trace/traces.js'

export interface RunAttemptDeps {
  pool: Pick<SessionPool, 'acquire'>
  /** Makes the folders and the environment of a claim's session; throws FleetError where the job may not have them. */
  sessionSpec: SessionSpecSource
  /** Takes secrets out of what is published. */
  redact: Redact
  /** Those secrets. */
  secrets: readonly string[]
  log: Log
  /** Writes down what is said to and by claude. Undefined: nothing is. */
  traces?: Traces | undefined
  /** ms since the epoch. */
  now: () => number
  /** From 0 to 1, for the jitter of retries. */
  random: () => number
}

/** Runs one attempt to its end. Never rejects: what went wrong is an outcome. */
export type RunAttempt = (claim: Claim) => Promise<AttemptOutcome>

/**
 * The heart of the worker: lease a session, send the prompt, publish what comes, judge it, give the session back, say
 * what the attempt came to. The consumer seals that outcome.
 *
 * Whatever ends an attempt but success ends its process first: an outcome other than `completed` is not returned
 * before nothing that the attempt started lives, so a retry or a `cancelled` never overlaps it.
 */
export function createRunAttempt(deps: RunAttemptDeps, options: { workerId: string }): RunAttempt {
  const attemptOnce: RunAttempt = async (claim) => {
    const attempt: Attempt = { claim, worker: options.workerId, startedAt: deps.now(), firstTextAt: undefined }
    try {
      const spentAll = limitsSpent(claim)
      if (spentAll !== undefined) return spentAll

      const spec = await deps.sessionSpec(claim)
      const memory = await openMemory(claim, deps)
      await using lease = await deps.pool.acquire(
        { ...spec, conversation: memory.conversation },
        { signal: claim.signal },
      )
      const endWatch = await holdWhileDoubtful(claim, lease.session, deps.log)
      const facts = await publishTurn(lease, attempt, memory, deps).finally(endWatch)
      const judged = verdict(facts)
      // Before the outcome is sealed: whoever has the next turn finds this one.
      const kept = await memory.finish(lease.session, judged.outcome === 'completed')

      if (judged.outcome === 'completed') {
        // Not awaited: the caller has the result while the process is made ready for the next, or ended. The pool owns it.
        giveBack(lease, claim, kept).catch((error: unknown) =>
          deps.log.error({ err: error, jobId: claim.jobId }, 'release failed'),
        )
        return completed(attempt, lease.start, facts, judged, deps.now())
      }
      if (judged.outcome === 'cancelled') return stopped(claim, facts)
      return failed(claim, judged, facts, deps.random)
    } catch (error) {
      return failedBeforeTurn(claim, error, deps)
    }
  }
  return async (claim) => deps.redact(await attemptOnce(claim))
}

/** The process of a session is kept for its next turn, where it has the whole memory of it; any other serves other jobs. */
function giveBack(lease: Lease, claim: Claim, kept: ConversationState | undefined): Promise<void> {
  if (kept !== undefined) return lease.keep(kept)
  return claim.spec.session === undefined ? lease.release() : lease.discard()
}

/** Sends the prompt and writes each message of the turn as an event of the job. Returns how the turn ended. */
async function publishTurn(lease: Lease, attempt: Attempt, memory: Memory, deps: RunAttemptDeps): Promise<TurnFacts> {
  const { claim } = attempt
  const { timeoutMs, idleTimeoutMs, maxTurns, maxBudgetUsd } = claim.spec
  // Of this turn alone: the process may serve other attempts before and after.
  using trace = deps.traces?.open(claim)
  const turn = lease.session.turn(memory.prompt, {
    trace: trace?.line,
    signal: claim.signal,
    timeoutMs,
    idleTimeoutMs,
    maxTurns: maxTurns === undefined ? undefined : maxTurns - claim.spentTurns,
    // Looked at after each reply: what other jobs of the tenant spend meanwhile counts too.
    get maxBudgetUsd() {
      if (claim.isBroke()) return 0
      return maxBudgetUsd === undefined ? undefined : maxBudgetUsd - claim.spentUsd
    },
  })
  const events = createEventRedactor(deps.redact, deps.secrets, claim.write)
  for await (const message of turn) {
    if (message.type === 'end') {
      events.end()
      return message.facts
    }
    if (message.type === 'text') attempt.firstTextAt ??= deps.now()
    if (message.type === 'spend') claim.spent(message)
    memory.said(message, lease.session)
    const body = eventOf(message, { worker: attempt.worker, start: lease.start })
    if (body !== undefined) events.push(body)
    // While the writer holds more than its bound the turn is not read: claude's pipe fills, and claude waits.
    await claim.drained()
  }
  throw new Error('the turn ended without an end message')
}
