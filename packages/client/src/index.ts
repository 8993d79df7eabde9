export { FleetClient, type ConnectOptions, type HttpOptions, type RedisOptions } from './connect.js'
export type {
  BatchInput,
  CallOptions,
  CredentialCalls,
  EnqueueOptions,
  EventsOptions,
  Job,
  JobsQuery,
} from './fleet.js'
export type { ScheduleCalls, SchedulesQuery } from './schedules.js'
export type { Session, SessionCalls, SessionsQuery } from './sessions.js'
export { verifyWebhook, type WebhookHeaders } from './webhook.js'
export type { FleetWebhooks } from './webhooks.js'
export { FleetError, isFleetError } from '@claude-fleet/core'
export type {
  BatchReply,
  CredentialView,
  DeliveryView,
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
  SessionImportInput,
  SessionInput,
  SessionPage,
  SessionState,
  SessionView,
  Stats,
  StreamEvent,
  WebhookInput,
  WebhookPatch,
  WebhookPayload,
  WebhookView,
  WebhookWithSecret,
  WorkerView,
} from '@claude-fleet/core'
