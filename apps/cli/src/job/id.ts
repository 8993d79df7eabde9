import { FleetError, JOB_ID_PATTERN } from '@claude-fleet/core'
import { oneLine } from '../text/style.js'

/** Reads an argument that is a job id. Throws FleetError `INVALID_REQUEST` for what cannot be one. */
export function jobId(text: string): string {
  if (JOB_ID_PATTERN.test(text)) return text
  throw new FleetError('INVALID_REQUEST', `${JSON.stringify(oneLine(text, 60))} is not a job id, such as j_...`)
}
