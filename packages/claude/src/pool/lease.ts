import { FleetError, type StartKind } from '@claude-fleet/core'
import type { ClaudeSession, Lease } from '../types.js'

/** A lease that is given back once, by `onRelease` or `onDiscard`. */
export function createLease(
  session: ClaudeSession,
  start: StartKind,
  onRelease: () => Promise<void>,
  onDiscard: () => Promise<void>,
): Lease {
  let given = false
  const giveBack = (back: () => Promise<void>): Promise<void> => {
    if (given) return Promise.reject(new FleetError('INTERNAL', 'this lease was already given back'))
    given = true
    return back()
  }
  return {
    session,
    start,
    release: () => giveBack(onRelease),
    discard: () => giveBack(onDiscard),
    [Symbol.asyncDispose]: async () => {
      if (!given) await giveBack(onDiscard)
    },
  }
}
