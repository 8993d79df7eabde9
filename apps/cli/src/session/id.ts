import { FleetError, SESSION_ID_PATTERN } from '@claude-fleet/core'
import { oneLine } from '../text/style.js'

/** Reads an argument that is a session id. Throws FleetError `INVALID_REQUEST` for what cannot be one. */
export function sessionId(text: string): string {
  if (SESSION_ID_PATTERN.test(text)) return text
  throw new FleetError('INVALID_REQUEST', `${JSON.stringify(oneLine(text, 60))} is not a session id, such as s_...`)
}
