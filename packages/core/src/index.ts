export { LIMITS, DEFAULTS } from './limits.js'
export { canonicalJson, findJsonFault, utf8Bytes, type JsonFault } from './json.js'
export {
  API_ERROR_CODES,
  FleetError,
  HTTP_STATUSES,
  isFleetError,
  isRetryable,
  JOB_ERROR_CODES,
  RETRY_DECISIONS,
  type ApiErrorCode,
  type ErrorCode,
  type ErrorDetails,
  type FieldFault,
  type FleetErrorOptions,
  type JobErrorCode,
  type RetryDecision,
} from './errors.js'
export { ERROR_GUIDE, type ErrorAdvice } from './error-guide.js'
export {
  BATCH_ID_PATTERN,
  CREDENTIAL_PATTERN,
  DEFAULT_CREDENTIAL,
  DEFAULT_TENANT,
  IDEMPOTENCY_KEY_PATTERN,
  isPromptTooLong,
  JOB_ID_PATTERN,
  jobSpecSchema,
  PERMISSION_MODES,
  SESSION_ID_PATTERN,
  TENANT_PATTERN,
  WORKER_ID_PATTERN,
  type JobInput,
  type JobSpec,
  type PermissionMode,
} from './job.js'
export {
  addUsage,
  attemptViewSchema,
  jobErrorSchema,
  jobResultSchema,
  NO_USAGE,
  START_KINDS,
  usageSchema,
  type AttemptView,
  type JobError,
  type JobResult,
  type StartKind,
  type Usage,
} from './result.js'
export {
  END_EVENT_TYPES,
  fleetEventSchema,
  gapEventSchema,
  isEndEvent,
  streamEventSchema,
  type EndEvent,
  type EndEventType,
  type EventBody,
  type EventType,
  type FleetEvent,
  type GapEvent,
  type StreamEvent,
} from './event.js'
export { END_STATES, isEndState, JOB_STATES, JOB_TRANSITIONS, type EndState, type JobState } from './state.js'
export {
  batchItemSchema,
  batchReplySchema,
  batchRequestSchema,
  drainReplySchema,
  healthSchema,
  jobListQuerySchema,
  jobPageSchema,
  jobViewSchema,
  pendingJobSchema,
  poolCountersSchema,
  problemSchema,
  statsSchema,
  workerListSchema,
  workerViewSchema,
  type BatchReply,
  type JobListQuery,
  type JobPage,
  type JobView,
  type PoolCounters,
  type Problem,
  type Stats,
  type WorkerView,
} from './api.js'
export {
  DELIVERY_STATUSES,
  deliveryListQuerySchema,
  deliveryListSchema,
  deliveryViewSchema,
  rotateQuerySchema,
  WEBHOOK_EVENTS,
  WEBHOOK_ID_PATTERN,
  WEBHOOK_SECRET_PATTERN,
  WEBHOOK_TEST_EVENT,
  webhookInputSchema,
  webhookListSchema,
  webhookPatchSchema,
  webhookPayloadSchema,
  webhookSecretSchema,
  webhookViewSchema,
  type DeliveryView,
  type WebhookEvent,
  type WebhookInput,
  type WebhookPatch,
  type WebhookPayload,
  type WebhookSpec,
  type WebhookView,
  type WebhookWithSecret,
} from './webhook.js'
export { checkSchema, runChecks, shellWord, type Check, type CheckLimit, type CheckStatus } from './check.js'
export { findPolicyFault, type PolicyFault } from './policy.js'
export { invalidInput, parseBatch, parseIdempotencyKey, parseInput, parseJob, refuseHostileJson } from './input.js'
export { BAD_SETTINGS_EXIT_CODE, SettingsError, type SettingsSource } from './settings/read.js'
export { parseApiKeys, SCOPES, type ApiKey, type Scope } from './settings/api-keys.js'
export { secretFiles, type Credential } from './settings/credentials.js'
export {
  isLoopback,
  readApiSettings,
  readClientSettings,
  readWorkerSettings,
  type ApiSettings,
  type ClientSettings,
  type JobPolicy,
  type QueueSettings,
  type WorkerSettings,
} from './settings/settings.js'
export { readBoardSettings, type BoardSettings } from './settings/board.js'
export {
  describeSettings,
  type PassedVariable,
  type SettingCatalog,
  type SettingEntry,
  type SettingReader,
} from './settings/catalog.js'
