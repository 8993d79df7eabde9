import type { JobSpec } from '@claude-fleet/core'

/** Whether a job may start now. `hold`: not before `ms` have passed; then it is asked again. */
export type AdmissionDecision = { type: 'start' } | { type: 'hold'; ms: number }

/**
 * The one place that decides whether a job may start: asked when it is enqueued and again when it is claimed, because
 * what was true then may not be now.
 */
export interface AdmissionGate {
  admit(job: { tenant: string; spec: JobSpec }): Promise<AdmissionDecision>
}

/** Lets every job start. */
export const OPEN_GATE: AdmissionGate = { admit: async () => ({ type: 'start' }) }
