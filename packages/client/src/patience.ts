import { setTimeout as sleep } from 'node:timers/promises'
import { isFleetError, type FleetError } from '@claude-fleet/core'

export interface Patience {
  /**
   * Waits before the next try, longer each time, with jitter. Throws `error` when it is none that passes, or when
   * the fleet has been away too long. Resolves at once when `signal` aborts.
   */
  failed(error: unknown): Promise<void>
  /** The fleet answered: the next failure begins anew. */
  succeeded(): void
}

const FIRST_MS = 100
const LONGEST_MS = 5_000
/** A proxy may wish for an hour. */
const LONGEST_WISH_MS = 30_000
/** Before the first answer: long enough for a restart, short enough for a wrong address. */
const NEVER_SEEN_MS = 5_000

/**
 * How long to go on asking a fleet that does not answer: 5 s when it never has, `limitMs` when it did before.
 */
export function createPatience(limitMs: number, signal: AbortSignal): Patience {
  let seen = false
  let failures = 0
  let since = 0
  return {
    async failed(error) {
      if (signal.aborted) return
      const passes = isFleetError(error) && error.retryable && TRANSPORT_CODES.has(error.code)
      if (failures === 0) since = performance.now()
      failures += 1
      const limit = seen ? limitMs : Math.min(limitMs, NEVER_SEEN_MS)
      if (!passes || performance.now() - since >= limit) throw error
      const delayMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10))
      const wishMs = Math.min(LONGEST_WISH_MS, retryAfterMs(error))
      await sleep(wishMs + delayMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
    },
    succeeded() {
      seen = true
      failures = 0
    },
  }
}

/** What the fleet, or a proxy before it, asked to wait. */
function retryAfterMs({ details }: FleetError): number {
  const { retryAfterMs: wish } = details
  return typeof wish === 'number' ? wish : 0
}

const TRANSPORT_CODES: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TOO_MANY_REQUESTS'])
