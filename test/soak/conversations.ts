import type { JobView } from '@claude-fleet/core'
import type { Rig } from '../faults/rig/rig.js'

/** A job of a named session, in the order in which the fleet said yes to it. */
export interface Turn {
  session: string
  id: string
  tag: string
}

/** What went wrong in named sessions, each with its turn; and how many turns were looked at. */
export interface Conversations {
  turns: number
  /** Turns whose prompt was sent more than once. */
  again: number
  /** A turn that began before one that came before it had ended. */
  order: string[]
  /** A turn whose claude did not know exactly the completed turns before it. */
  memory: string[]
}

/** Compares what each claude was told and knew with what became of the turns. `views`: every job that ended. */
export function conversationsOf(rig: Rig, turns: readonly Turn[], views: ReadonlyMap<string, JobView>): Conversations {
  const found: Conversations = { turns: turns.length, again: 0, order: [], memory: [] }
  for (const session of new Set(turns.map((turn) => turn.session))) {
    let endedAt = 0
    const known: string[] = []
    for (const { id, tag, session: of } of turns) {
      if (of !== session) continue
      const view = views.get(id)
      const spends = rig.spends.of(tag)
      if (spends.length > 1) found.again += 1
      for (const { at, remembers } of spends) {
        if (at < endedAt) found.order.push(`${id}: began ${endedAt - at} ms before the turn before it had ended`)
        if (remembers.join() !== known.join()) found.memory.push(`${id}: knew ${remembers.join()}, not ${known.join()}`)
      }
      if (view?.finishedAt !== undefined) endedAt = view.finishedAt
      if (view?.state === 'completed') known.push(tag)
    }
  }
  return found
}
