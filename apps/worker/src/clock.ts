import type { Log } from '@claude-fleet/queue'

/** A clock that is further from Redis's than this is wrong, ms. */
export const CLOCK_TOLERANCE_MS = 5_000

/** Takes how far this host's clock is from Redis's, ms. */
export interface Clock {
  seen(offMs: number): void
}

/**
 * Watches the distance between this host's clock and Redis's. BullMQ takes delays by the clock of the worker that claims,
 * so a worker with a wrong one would start delayed jobs and retries too early, and others' limits too late. `onChange` gets
 * why nothing may be claimed, or undefined when the clock is right again.
 */
export function createClock(log: Log, onChange: (reason: string | undefined) => void): Clock {
  let right = true
  return {
    seen(offMs) {
      const wasRight = right
      right = Math.abs(offMs) <= CLOCK_TOLERANCE_MS
      if (right === wasRight) return
      const reason = right ? undefined : describe(offMs)
      if (reason === undefined) log.warn({ offMs }, 'the clock agrees with that of Redis again; claiming goes on')
      else log.error({ offMs }, `${reason}; this worker claims no job until it is set right`)
      onChange(reason)
    },
  }
}

function describe(offMs: number): string {
  return `clock ${(Math.abs(offMs) / 1000).toFixed(1)} s ${offMs > 0 ? 'ahead of' : 'behind'} that of Redis`
}
