export { connectRedis, type ConnectOptions } from './redis/connect.js'
export { checkRedis } from './redis/check.js'
export { inspectRedis, type InspectRedisOptions } from './redis/inspection/inspect.js'
export { newBatchId, newJobId, newSessionId } from './ids.js'
export { createProducer, type ProducerOptions, type QueueDeps } from './jobs/producer.js'
export { createEventReader } from './events/reader.js'
export { createSchedules, type Schedules } from './schedules/schedules.js'
export { createLimits, type Limits } from './admission/limits.js'
export { createSessions, type Sessions, type SessionsOptions } from './sessions/registry.js'
export { createTicker, type Ticker } from './schedules/ticker.js'
export { fingerprintOf } from './admission/credentials.js'
export { createConsumer, type ConsumerDeps } from './consumer/consumer.js'
export { createTally } from './workers/tally.js'
export { registerWorker, type RegistrationDeps, type RegistrationOptions } from './workers/registration.js'
export { createAdmin } from './admin/admin.js'
export { type CodeCounts, type FleetMetrics, type LatencyHistogram } from './admin/metrics.js'
export { createQueueView, type QueueView } from './admin/queue-view.js'
export { createJanitor, type JanitorOptions } from './janitor/janitor.js'
export { createWebhooks, type Webhooks } from './webhooks/registry.js'
export { createCourier, type Courier } from './webhooks/courier.js'
export type { SendWebhook } from './webhooks/round.js'
export type { WebhookAnswer } from './webhooks/verdict.js'
export type {
  Admin,
  AttemptOutcome,
  AttemptStop,
  BatchEnqueueReply,
  BatchEnqueueRequest,
  Claim,
  ClaimTranscript,
  TranscriptRows,
  TranscriptState,
  ClaimLock,
  Consumer,
  ConsumerOptions,
  EnqueueReply,
  EnqueueRequest,
  EventReader,
  FleetHistory,
  FoundJob,
  HistoryMinute,
  Janitor,
  LatencyQuantiles,
  LockState,
  Log,
  OperatorJob,
  OperatorSession,
  OperatorPage,
  Producer,
  RedisConnection,
  Tally,
  WorkerRegistration,
  WorkerStatus,
} from './types.js'
