import type { TurnFacts, Verdict } from '@claude-fleet/claude'
import {
  FleetError,
  isFleetError,
  JOB_ERROR_CODES,
  NO_USAGE,
  RETRY_DECISIONS,
  type ErrorDetails,
  type JobError,
  type JobErrorCode,
  type RetryDecision,
  type StartKind,
} from '@claude-fleet/core'
import type { AttemptOutcome, AttemptStop, Claim, Log } from '@claude-fleet/queue'
import { backoffDelayMs } from './backoff.js'

/** What an attempt knows of itself while it runs. */
export interface Attempt {
  readonly claim: Claim
  readonly worker: string
  /** ms since the epoch. */
  readonly startedAt: number
  firstTextAt: number | undefined
}

type Spend = Pick<AttemptOutcome, 'costUsd' | 'usage' | 'tools'>
type FailedVerdict = Extract<Verdict, { outcome: 'failed' }>

const NOTHING_SPENT: Spend = { costUsd: 0, usage: NO_USAGE, tools: {} }

/** The outcome of a turn that succeeded. */
export function completed(
  { claim, worker, startedAt, firstTextAt }: Attempt,
  start: StartKind,
  facts: TurnFacts,
  judged: Extract<Verdict, { outcome: 'completed' }>,
  endedAt: number,
): AttemptOutcome {
  const firstTextMs = firstTextAt === undefined ? undefined : claim.queueMs + firstTextAt - startedAt
  return {
    type: 'completed',
    ...spendOf(facts),
    firstTextMs,
    result: {
      text: judged.text,
      ...(judged.structuredOutput === undefined ? {} : { structuredOutput: judged.structuredOutput }),
      sessionId: facts.sessionId,
      numTurns: facts.numTurns,
      durationMs: endedAt - startedAt,
      queueMs: claim.queueMs,
      attempt: claim.attempt,
      start,
      usage: facts.usage,
      costUsd: facts.costUsd,
      model: facts.model,
      tools: { ...facts.tools },
      permissionDenials: [...facts.permissionDenials],
      log: facts.log,
      worker,
    },
  }
}

/** The outcome of a turn that failed: fail for good, park, or retry as far as the job's `attempts` allow. */
export function failed(claim: Claim, judged: FailedVerdict, facts: TurnFacts, random: () => number): AttemptOutcome {
  const ran = Object.keys(facts.tools).length > 0 ? { ...judged.details, toolsRun: facts.tools } : judged.details
  const error = jobError(claim, judged.code, judged.message, judged.decision, ran)
  return decide(claim, error, judged.decision, judged.retryAt, spendOf(facts), random, facts.replies)
}

/** The outcome of a turn that the fleet itself ended through the claim's signal. */
export function stopped(claim: Claim, facts: TurnFacts): AttemptOutcome {
  return stoppedBy(claim, spendOf(facts))
}

/** The outcome of an attempt that failed before its prompt was sent, or that met an error of the fleet's own. */
export function failedBeforeTurn(
  claim: Claim,
  error: unknown,
  deps: { log: Log; random: () => number },
): AttemptOutcome {
  if (claim.signal.aborted) return stoppedBy(claim, NOTHING_SPENT)
  const code = jobErrorCodeOf(error)
  if (code === 'INTERNAL')
    deps.log.error({ err: error, jobId: claim.jobId, attempt: claim.attempt }, 'attempt failed inside the fleet')
  const message = isFleetError(error) ? error.message : 'the worker met an error of its own; its log has the details'
  const decision = RETRY_DECISIONS[code]
  const details = isFleetError(error) ? error.details : {}
  return decide(
    claim,
    jobError(claim, code, message, decision, details),
    decision,
    undefined,
    NOTHING_SPENT,
    deps.random,
  )
}

/** `failed` when earlier attempts have already spent what the job may cost, or had the round trips it may have. */
export function limitsSpent(claim: Claim): AttemptOutcome | undefined {
  const { maxBudgetUsd, maxTurns } = claim.spec
  const fail = (code: JobErrorCode, message: string): AttemptOutcome => {
    return { type: 'failed', ...NOTHING_SPENT, error: jobError(claim, code, message, 'fail', {}) }
  }
  if (maxBudgetUsd !== undefined && claim.spentUsd >= maxBudgetUsd) {
    return fail(
      'MAX_BUDGET',
      `earlier attempts spent ${claim.spentUsd} USD of the ${maxBudgetUsd} USD this job may cost`,
    )
  }
  if (maxTurns !== undefined && claim.spentTurns >= maxTurns) {
    return fail('MAX_TURNS', `earlier attempts had ${claim.spentTurns} of the ${maxTurns} turns this job may have`)
  }
  return undefined
}

function decide(
  claim: Claim,
  error: JobError,
  decision: RetryDecision,
  retryAt: number | undefined,
  spend: Spend,
  random: () => number,
  turns = 0,
): AttemptOutcome {
  if (decision === 'park' && retryAt !== undefined) return { type: 'parked', ...spend, error, resumesAt: retryAt }
  const failures = claim.failures + 1
  if (decision === 'fail' || failures >= claim.spec.attempts) return { type: 'failed', ...spend, error }
  return { type: 'retry', ...spend, error, delayMs: backoffDelayMs(claim.spec.backoff, failures, random), turns }
}

function stoppedBy(claim: Claim, spend: Spend): AttemptOutcome {
  const stop = claim.signal.reason as AttemptStop
  switch (stop.kind) {
    case 'cancelled':
      return { type: 'cancelled', ...spend, reason: stop.reason }
    case 'drain':
      return { type: 'returned', ...spend, delayMs: 0, reason: 'the worker is shutting down' }
    case 'fenced':
      return { type: 'fenced', ...spend }
  }
}

function jobError(
  claim: Claim,
  code: JobErrorCode,
  message: string,
  decision: RetryDecision,
  details: ErrorDetails,
): JobError {
  return { code, message, retryable: decision !== 'fail', attempt: claim.attempt, details }
}

function jobErrorCodeOf(error: unknown): JobErrorCode {
  const code = error instanceof FleetError || isFleetError(error) ? error.code : undefined
  return JOB_ERROR_CODES.find((known) => known === code) ?? 'INTERNAL'
}

function spendOf(facts: TurnFacts): Spend {
  return { costUsd: facts.costUsd, usage: facts.usage, tools: facts.tools }
}
