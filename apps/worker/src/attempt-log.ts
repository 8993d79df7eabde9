import type { AttemptOutcome, Claim, Log } from '@claude-fleet/queue'
import type { RunAttempt } from './run-attempt.js'

/** The same, and the log has a line for the begin and the end of each attempt. Neither has a word of prompt or answer. */
export function loggedAttempt(run: RunAttempt, log: Log, options: { workerId: string }): RunAttempt {
  return async (claim) => {
    const { jobId, tenant, attempt, failures, queueMs } = claim
    const about = { jobId, attempt, worker: options.workerId, tenant }
    const begunAt = performance.now()
    log.info({ ...about, failures, queueMs }, 'attempt begun')
    const outcome = await run(claim)
    const ms = Math.round(performance.now() - begunAt)
    log.info({ ...about, ...endOf(outcome, claim), ms, costUsd: outcome.costUsd }, 'attempt ended')
    return outcome
  }
}

/** What an operator asks first. An error's message may quote what the job said, so only its code is told. */
function endOf(outcome: AttemptOutcome, claim: Claim): object {
  switch (outcome.type) {
    case 'completed':
      return { outcome: 'completed', start: outcome.result.start, firstTextMs: outcome.firstTextMs }
    case 'failed':
      return { outcome: 'failed', code: outcome.error.code }
    case 'retry':
      return { outcome: 'retry', code: outcome.error.code, delayMs: outcome.delayMs, of: claim.spec.attempts }
    case 'parked':
      return { outcome: 'parked', code: outcome.error.code, resumesAt: outcome.resumesAt }
    case 'returned':
      return { outcome: 'returned', reason: outcome.reason }
    case 'cancelled':
    case 'fenced':
      return { outcome: outcome.type }
  }
}
