import type { JobSpec } from '@claude-fleet/core'

/** Whether a job may start now. */
export type AdmissionDecision = { type: 'start' }

/**
 * The one place that decides whether a job may start: asked when it is enqueued and again when it is claimed, because
 * what was true then may not be now.
 */
export interface AdmissionGate {
  admit(job: { tenant: string; spec: JobSpec }): Promise<AdmissionDecision>
}

/** Lets every job start. */
export const OPEN_GATE: AdmissionGate = { admit: async () => ({ type: 'start' }) }
