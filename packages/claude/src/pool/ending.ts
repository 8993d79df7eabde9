import type { ProcessEndReason } from '@claude-fleet/core'
import type { ClaudeSession } from '../types.js'
import type { Slot, SlotState } from './slot.js'

/** Ends the processes of a pool. */
export interface Ending {
  /** Ends a session that nobody leases any more. Rejects when something of it lives on. */
  end(slot: Slot, session: ClaudeSession, reason: ProcessEndReason): Promise<void>
  /** As `end`, where nobody waits for it; `onLeak` is told when it fails. With `yields` its place is another's at once. */
  retireSession(slot: Slot, session: ClaudeSession, reason: ProcessEndReason, yields?: boolean): void
  /** Retires what is ready; does nothing to any other. */
  retire(slot: Slot, reason: ProcessEndReason, yields?: boolean): void
}

export interface EndingDeps {
  move(slot: Slot, next: SlotState): void
  onEnded(reason: ProcessEndReason): void
  onLeak(error: unknown): void
  pump(): void
}

export function createEnding({ move, onEnded, onLeak, pump }: EndingDeps): Ending {
  function end(slot: Slot, session: ClaudeSession, reason: ProcessEndReason, yields = false): Promise<void> {
    if (slot.state.name === 'ending' || slot.state.name === 'stuck') return slot.state.ended
    // `stop` was quicker than the lease.
    if (slot.state.name === 'gone') return Promise.resolve()
    const ended = session.close().then(
      () => {
        onEnded(reason)
        move(slot, { name: 'gone' })
        pump()
      },
      (error: unknown) => {
        // Something of it lives: the slot stays taken, so the limit still holds for what the host carries.
        move(slot, { name: 'stuck', ended })
        onLeak(error)
        pump()
        throw error
      },
    )
    move(slot, { name: 'ending', ended, yields })
    return ended
  }

  function retireSession(slot: Slot, session: ClaudeSession, reason: ProcessEndReason, yields = false): void {
    void end(slot, session, reason, yields).catch(() => undefined)
  }

  return {
    end,
    retireSession,
    retire(slot, reason, yields = false) {
      if (slot.state.name === 'ready') retireSession(slot, slot.state.session, reason, yields)
    },
  }
}
