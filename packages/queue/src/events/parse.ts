import { fleetEventSchema, type FleetEvent } from '@claude-fleet/core'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'
import type { Log } from '../types.js'

const batchSchema = z.array(fleetEventSchema)

/** Reads one batch of events from Redis. A batch that is none is logged and counts as empty: readers see a gap. */
export type ParseEvents = (text: string) => readonly FleetEvent[]

/**
 * The readers of one stream get a message one after another, so the last batch is kept: with many readers it is read
 * once, and they share its events, which nobody changes.
 */
export function createEventParser(log: Log): ParseEvents {
  let last: { text: string; events: readonly FleetEvent[] } = { text: '[]', events: [] }

  return (text) => {
    if (last.text === text) return last.events
    const parsed = batchSchema.safeParse(parseJson(text))
    if (!parsed.success) {
      log.warn({ bytes: text.length, issue: parsed.error.issues[0]?.message }, 'a batch of events could not be read')
    }
    last = { text, events: parsed.success ? parsed.data : [] }
    return last.events
  }
}
