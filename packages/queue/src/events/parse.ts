import { fleetEventSchema, type FleetEvent } from '@claude-fleet/core'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'
import type { Log } from '../types.js'

const batchSchema = z.array(fleetEventSchema)

/** Reads one batch of events from Redis. A batch that is none is logged and counts as empty: readers see a gap. */
export function parseEvents(text: string, log: Log): FleetEvent[] {
  const parsed = batchSchema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  log.warn({ bytes: text.length, issue: parsed.error.issues[0]?.message }, 'a batch of events could not be read')
  return []
}
