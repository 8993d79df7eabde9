import { FleetError, SCHEDULE_ID_PATTERN } from '@claude-fleet/core'
import { oneLine } from '../text/style.js'

/** Reads an argument that is a schedule id. Throws FleetError `INVALID_REQUEST` for what cannot be one. */
export function scheduleId(text: string): string {
  if (SCHEDULE_ID_PATTERN.test(text)) return text
  throw new FleetError('INVALID_REQUEST', `${JSON.stringify(oneLine(text, 60))} is not a schedule id, such as c_...`)
}
