/** States of a job. The last three are ends; nothing follows them. */
export const JOB_STATES = ['waiting', 'delayed', 'parked', 'active', 'completed', 'failed', 'cancelled'] as const
export type JobState = (typeof JOB_STATES)[number]

export const END_STATES = ['completed', 'failed', 'cancelled'] as const
export type EndState = (typeof END_STATES)[number]

/** The states a job may go to from each state. `active` to `active` is a new attempt after a worker was lost. */
export const JOB_TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  waiting: ['active', 'cancelled', 'failed', 'delayed', 'parked'],
  delayed: ['active', 'waiting', 'cancelled', 'failed', 'parked'],
  parked: ['active', 'waiting', 'cancelled', 'failed'],
  active: ['active', 'waiting', 'delayed', 'parked', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
}

/** Has the job ended? */
export function isEndState(state: JobState): state is EndState {
  return (END_STATES as readonly JobState[]).includes(state)
}
