import type { WorkerSettings } from '@claude-fleet/core'
import type { AdmissionGate } from '@claude-fleet/queue'

/** ms before a job that this worker cannot run is offered again: long enough for another worker to claim it first. */
const OTHER_WORKER_MS = 500

/**
 * Lets a job start here only if this worker has the credential it names. A job whose credential no worker has waits
 * until one comes.
 */
export function createCredentialGate(settings: Pick<WorkerSettings, 'credentials'>): AdmissionGate {
  return {
    admit: async ({ spec }) =>
      settings.credentials.has(spec.credential)
        ? { type: 'start' }
        : { type: 'hold', ms: Math.round(OTHER_WORKER_MS * (1 + Math.random())) },
  }
}
