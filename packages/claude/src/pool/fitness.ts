import type { ProcessEndReason } from '@claude-fleet/core'
import type { ClaudeSession } from '../types.js'
import type { Slot } from './slot.js'

/** Judges whether a process may be leased. Nothing here rejects: what cannot be known is a reason against it. */
export interface Fitness {
  /** Why what is ready is not what a start would bring now; undefined when it is. */
  whyUnfit(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined>
  /** Makes a process that has served as new. Why it is not; undefined when it is and may serve again. */
  whyNotAsNew(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined>
}

/** `onNotReusable` is told what a session says of why it cannot be proven to be as new. */
export function createFitness(
  limits: { maxAgeMs: number; maxBytes: number },
  onNotReusable: (why: string) => void,
): Fitness {
  async function whyUnfit(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined> {
    if (performance.now() - slot.bornAt > limits.maxAgeMs) return 'age'
    const current = await session.isCurrent().catch(() => false)
    if (slot.died) return 'died'
    return current ? undefined : 'outdated'
  }

  return {
    whyUnfit,
    async whyNotAsNew(slot, session) {
      const [why, bytes] = await Promise.all([session.reset(), session.memoryBytes().catch(() => undefined)])
      if (slot.died) return 'died'
      if (why !== undefined) {
        onNotReusable(why)
        return 'not_reusable'
      }
      return bytes !== undefined && bytes > limits.maxBytes ? 'memory' : whyUnfit(slot, session)
    },
  }
}
