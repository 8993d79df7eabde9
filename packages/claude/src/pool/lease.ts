import { FleetError, type StartKind } from '@claude-fleet/core'
import type { ClaudeSession, ConversationState, Lease } from '../types.js'

/** A lease that is given back once, by one of the three. */
export function createLease(
  session: ClaudeSession,
  start: StartKind,
  on: {
    release: () => Promise<void>
    keep: (conversation: ConversationState) => Promise<void>
    discard: () => Promise<void>
  },
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
    release: () => giveBack(on.release),
    keep: (conversation) => giveBack(() => on.keep(conversation)),
    discard: () => giveBack(on.discard),
    [Symbol.asyncDispose]: async () => {
      if (!given) await giveBack(on.discard)
    },
  }
}
