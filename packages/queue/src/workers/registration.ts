import { FleetError } from '@claude-fleet/core'
import type { QueueDeps } from '../jobs/producer.js'
import type { WorkerRegistration, WorkerStatus } from '../types.js'

export interface RegistrationDeps extends QueueDeps {
  status: () => WorkerStatus
  onDrain: () => void
}

export interface RegistrationOptions {
  prefix: string
  workerId: string
  host: string
  pid: number
  /** Aborting it ends the wait for an older process's heartbeat to lapse. */
  signal?: AbortSignal | undefined
}

/** Being built. */
export async function registerWorker(
  _deps: RegistrationDeps,
  _options: RegistrationOptions,
): Promise<WorkerRegistration> {
  throw new FleetError('INTERNAL', 'not built yet')
}
