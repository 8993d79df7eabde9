import { FleetError } from '@claude-fleet/core'
import type { Log, Producer, RedisConnection } from '../types.js'
import type { AdmissionGate } from '../admission/gate.js'

export interface QueueDeps {
  redis: RedisConnection
  log: Log
}

export interface ProducerOptions {
  prefix: string
  retentionMs: number
}

/** Being built. */
export function createProducer(_deps: QueueDeps & { admission?: AdmissionGate }, _options: ProducerOptions): Producer {
  throw new FleetError('INTERNAL', 'not built yet')
}
