import { fleetEventSchema, isEndEvent, type EndEvent } from '@claude-fleet/core'

/** Reads a seal: the end event of a job. Undefined when the text is none. */
export function parseSeal(text: string): EndEvent | undefined {
  const parsed = fleetEventSchema.safeParse(parseJson(text))
  return parsed.success && isEndEvent(parsed.data) ? parsed.data : undefined
}

/** Parsed JSON, or undefined when the text is none. What comes out is still to be read by a schema. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
