import { FleetError } from '@claude-fleet/core'
import type { EventReader } from '../types.js'
import type { QueueDeps } from '../jobs/producer.js'

/** Being built. */
export function createEventReader(_deps: QueueDeps, _options: { prefix: string }): EventReader {
  throw new FleetError('INTERNAL', 'not built yet')
}
