import { setTimeout as sleep } from 'node:timers/promises'
import { isFleetError } from '@claude-fleet/core'

/** Makes calls to a fleet that may be away for a while. */
export interface Patience {
  /** Calls until the fleet answers. Rejects with its refusals, with `UNAVAILABLE` when it was away too long. */
  call<T>(ask: () => Promise<T>): Promise<T>
}

const FIRST_MS = 200
const LONGEST_MS = 5_000
/** A proxy may wish for an hour. */
const LONGEST_WISH_MS = 30_000
/** Before the first answer: long enough for a restart, short enough for a wrong address. */
const NEVER_SEEN_MS = 5_000
const AWAY_MS = 300_000

/** One for all calls of a batch: an answer to any of them says that the fleet is there. */
export function createPatience(signal: AbortSignal, onAway: (reason: unknown) => void): Patience {
  let seen = false
  let awaySince: number | undefined
  return {
    async call(ask) {
      for (let tries = 0; ; tries += 1) {
        try {
          const answer = await ask()
          seen = true
          awaySince = undefined
          return answer
        } catch (error) {
          signal.throwIfAborted()
          if (!isFleetError(error) || !PASSING.has(error.code) || !error.retryable) throw error
          if (awaySince === undefined) onAway(error)
          awaySince ??= performance.now()
          if (performance.now() - awaySince > (seen ? AWAY_MS : NEVER_SEEN_MS)) throw error
          const delayMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries, 10))
          const { retryAfterMs: wish } = error.details
          const wishMs = typeof wish === 'number' ? Math.min(wish, LONGEST_WISH_MS) : 0
          await sleep(wishMs + delayMs * (0.5 + Math.random() / 2), undefined, { signal })
        }
      }
    },
  }
}

const PASSING: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TOO_MANY_REQUESTS'])
