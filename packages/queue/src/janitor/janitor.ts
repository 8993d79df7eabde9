import { FleetError } from '@claude-fleet/core'
import type { QueueDeps } from '../jobs/producer.js'
import type { Janitor } from '../types.js'

export interface JanitorOptions {
  prefix: string
  retentionMs: number
  /** Time between two passes, ms. Default 30,000. */
  intervalMs?: number | undefined
}

/** Being built. */
export function createJanitor(_deps: QueueDeps, _options: JanitorOptions): Janitor {
  throw new FleetError('INTERNAL', 'not built yet')
}
