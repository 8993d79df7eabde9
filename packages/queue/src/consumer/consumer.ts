import { FleetError } from '@claude-fleet/core'
import type { AdmissionGate } from '../admission/gate.js'
import type { QueueDeps } from '../jobs/producer.js'
import type { AttemptOutcome, Claim, Consumer, ConsumerOptions } from '../types.js'

export interface ConsumerDeps extends QueueDeps {
  run: (claim: Claim) => Promise<AttemptOutcome>
  admission?: AdmissionGate | undefined
}

/** Being built. */
export function createConsumer(_deps: ConsumerDeps, _options: ConsumerOptions): Consumer {
  throw new FleetError('INTERNAL', 'not built yet')
}
