import type { SessionPool, StartSession } from '@claude-fleet/claude'
import type { Tally } from '@claude-fleet/queue'

/** The same, and each process that was started is told to `tally` with the time it took. */
export function timedStart(start: StartSession, tally: Tally): StartSession {
  return async (...args) => {
    const askedAt = performance.now()
    const session = await start(...args)
    tally.observe('spawn', performance.now() - askedAt)
    return session
  }
}

/** The same, and each lease that was given is told to `tally` with the time its attempt waited for it. */
export function timedAcquire(pool: SessionPool, tally: Tally): Pick<SessionPool, 'acquire'> {
  return {
    async acquire(...args) {
      const askedAt = performance.now()
      const lease = await pool.acquire(...args)
      tally.observe('acquire', performance.now() - askedAt)
      return lease
    },
  }
}
