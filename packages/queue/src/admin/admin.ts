import { FleetError } from '@claude-fleet/core'
import type { QueueDeps } from '../jobs/producer.js'
import type { Admin } from '../types.js'

/** Being built. */
export function createAdmin(_deps: QueueDeps, _options: { prefix: string }): Admin {
  throw new FleetError('INTERNAL', 'not built yet')
}
