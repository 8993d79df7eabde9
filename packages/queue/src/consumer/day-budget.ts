import type { JobSpec } from '@claude-fleet/core'
import type { AttemptOutcome, Claim } from '../types.js'
import type { Begun } from './claim.js'

const DAY_MS = 86_400_000

/** The job with what the day of its tenant leaves it as a limit: it has its own, or this, whichever is less. */
export function withDayBudget(spec: JobSpec, { spentUsd, dayBudgetUsd }: Begun): JobSpec {
  if (dayBudgetUsd === undefined) return spec
  return { ...spec, maxBudgetUsd: Math.min(spec.maxBudgetUsd ?? Infinity, spentUsd + dayBudgetUsd) }
}

/**
 * An attempt that was stopped for the sake of its tenant's day, not of the job's own budget, has not failed: it goes on when
 * the next day (UTC) begins. `own`: what the job may cost by itself, over all attempts, USD.
 */
export function parkedForTheDay(
  outcome: AttemptOutcome,
  { spentUsd, dayBudgetUsd }: Begun,
  { isBroke }: Pick<Claim, 'isBroke'>,
  own = Infinity,
  now = Date.now(),
): AttemptOutcome {
  if (outcome.type !== 'failed' || outcome.error.code !== 'MAX_BUDGET') return outcome
  if (spentUsd + outcome.costUsd >= own || (dayBudgetUsd === undefined && !isBroke())) return outcome
  const { costUsd, usage, tools, error } = outcome
  const message = 'the tenant has spent what it may spend in a day'
  const resumesAt = (Math.floor(now / DAY_MS) + 1) * DAY_MS
  return { costUsd, usage, tools, type: 'parked', error: { ...error, message, retryable: true }, resumesAt }
}
