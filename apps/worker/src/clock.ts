import type { Log } from '@claude-fleet/queue'

/** A clock that is further from Redis's than this is wrong, ms. */
export const CLOCK_TOLERANCE_MS = 5_000

/** Says whether this host's clock can be worked by. */
export interface Clock {
  /** Takes how far it is from Redis's, ms. */
  seen(offMs: number): void
  /** Why nothing may be claimed; undefined while it is right. */
  readonly reason: string | undefined
}

/**
 * Watches the distance between this host's clock and Redis's. BullMQ takes delays by the clock of the worker that claims,
 * so a worker with a wrong one would start delayed jobs and retries too early, and others' limits too late.
 */
export function createClock(log: Log, onChange: (right: boolean) => void): Clock {
  let reason: string | undefined
  return {
    seen(offMs) {
      const wrong = Math.abs(offMs) > CLOCK_TOLERANCE_MS
      const changed = wrong !== (reason !== undefined)
      reason = wrong ? describe(offMs) : undefined
      if (!changed) return
      if (wrong) log.error({ offMs }, `${reason}; this worker claims no job until it is set right`)
      else log.warn({ offMs }, 'the clock agrees with that of Redis again; claiming goes on')
      onChange(!wrong)
    },
    get reason() {
      return reason
    },
  }
}

function describe(offMs: number): string {
  return `clock ${(Math.abs(offMs) / 1000).toFixed(1)} s ${offMs > 0 ? 'ahead of' : 'behind'} that of Redis`
}
