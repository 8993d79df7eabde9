import type { JobSpec } from '@claude-fleet/core'

/**
 * ms to wait before the next attempt, after `failures` failed ones (from 1). `exponential` doubles `delayMs` each time,
 * `fixed` keeps it; both stop at `maxDelayMs`. `jitter` is the share of the delay that is random, so that jobs which
 * failed together do not come back together. `random` gives a number from 0 to 1.
 */
export function backoffDelayMs(backoff: JobSpec['backoff'], failures: number, random: () => number): number {
  // 2 ** 40 ms is past every allowed maximum, and keeps the product a safe integer.
  const factor = backoff.type === 'exponential' ? 2 ** Math.min(failures - 1, 40) : 1
  const delay = Math.min(backoff.delayMs * factor, backoff.maxDelayMs)
  return Math.round(delay * (1 - backoff.jitter * random()))
}
