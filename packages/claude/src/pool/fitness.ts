import type { ProcessEndReason } from '@claude-fleet/core'
import type { ClaudeSession } from '../types.js'
import type { Slot } from './slot.js'

/** Judges whether a process may be leased. Nothing here rejects: what cannot be known is a reason against it. */
export interface Fitness {
  /** Why what is ready is not what a start would bring now; undefined when it is. */
  whyUnfit(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined>
  /** Makes a process that has served as new. Why it is not; undefined when it is and may serve again. */
  whyNotAsNew(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined>
  /** Why a process cannot be kept for the conversation it has; undefined when it can. */
  whyNotKept(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined>
}

/** `onNotReusable` is told what a session says of why it cannot be proven to be as new. */
export function createFitness(
  limits: { maxAgeMs: number; maxBytes: number },
  onNotReusable: (why: string) => void,
): Fitness {
  async function whyUnfit(slot: Slot, session: ClaudeSession): Promise<ProcessEndReason | undefined> {
    if (performance.now() - slot.bornAt > limits.maxAgeMs) return 'age'
    const current =
      slot.conversation === undefined ? await session.isCurrent().catch(() => false) : await continues(session)
    if (slot.died) return 'died'
    return current ? undefined : 'outdated'
  }

  async function whyTooBig(session: ClaudeSession): Promise<'memory' | undefined> {
    const bytes = await session.memoryBytes().catch(() => undefined)
    return bytes !== undefined && bytes > limits.maxBytes ? 'memory' : undefined
  }

  /** What a conversation was told at its start it has been told: that a start would bring other things is no reason. */
  async function continues(session: ClaudeSession): Promise<boolean> {
    const why = await session.whyNotContinue().catch(String)
    if (why !== undefined) onNotReusable(why)
    return why === undefined
  }

  return {
    whyUnfit,
    async whyNotKept(slot, session) {
      const [continued, tooBig] = await Promise.all([continues(session), whyTooBig(session)])
      if (slot.died) return 'died'
      if (!continued) return 'not_reusable'
      return tooBig ?? (performance.now() - slot.bornAt > limits.maxAgeMs ? 'age' : undefined)
    },
    async whyNotAsNew(slot, session) {
      const [why, tooBig] = await Promise.all([session.reset(), whyTooBig(session)])
      if (slot.died) return 'died'
      if (why !== undefined) {
        onNotReusable(why)
        return 'not_reusable'
      }
      return tooBig ?? whyUnfit(slot, session)
    },
  }
}
