export { FleetClient, type ConnectOptions, type HttpOptions, type RedisOptions } from './connect.js'
export type { BatchInput, CallOptions, EnqueueOptions, EventsOptions, Job, JobsQuery } from './fleet.js'
export type { ScheduleCalls } from './schedules.js'
export { FleetError, isFleetError } from '@claude-fleet/core'
export type {
  BatchReply,
  ErrorCode,
  JobInput,
  JobPage,
  JobResult,
  JobState,
  JobView,
  ScheduleInput,
  SchedulePage,
  ScheduleRun,
  ScheduleView,
  Stats,
  StreamEvent,
  WorkerView,
} from '@claude-fleet/core'
