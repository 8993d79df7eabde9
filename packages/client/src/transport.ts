import type {
  BatchReply,
  CredentialView,
  DeliveryView,
  JobListQuery,
  JobPage,
  JobView,
  ScheduleInput,
  ScheduleListQuery,
  SchedulePage,
  SchedulePatch,
  SchedulePatchInput,
  ScheduleRun,
  ScheduleSpec,
  ScheduleView,
  SessionImport,
  SessionImportInput,
  SessionInput,
  SessionListQuery,
  SessionPage,
  SessionSpec,
  SessionView,
  Stats,
  StreamEvent,
  WebhookInput,
  WebhookPatch,
  WebhookView,
  WebhookWithSecret,
  WorkerView,
} from '@claude-fleet/core'
import type { ValidBatchItem, ValidJob } from './input.js'

/**
 * What a way to the fleet must do. Input is valid and ids are well formed when they come here. Every call rejects with
 * FleetError; a call whose signal aborts rejects with the signal's reason, except `events`, which returns.
 */
export interface Transport {
  enqueue(job: ValidJob, options: { idempotencyKey: string | undefined; signal: AbortSignal }): Promise<JobView>
  batch(
    items: readonly ValidBatchItem[],
    options: { idempotencyKey: string | undefined; signal: AbortSignal },
  ): Promise<BatchReply>
  list(query: JobListQuery, signal: AbortSignal): Promise<JobPage>
  get(id: string, signal: AbortSignal): Promise<JobView>
  cancel(id: string, signal: AbortSignal): Promise<'cancelling' | 'ended'>
  retry(id: string, signal: AbortSignal): Promise<JobView>
  /** One connection's worth of events: may end before the job's last event, or fail, and is then asked for again. */
  events(id: string, after: number, signal: AbortSignal): AsyncIterable<StreamEvent>
  /** The job as it is when it has ended, or some time before that; asked again until it has. */
  waitForEnd(id: string, signal: AbortSignal): Promise<JobView | undefined>
  readonly schedules: ScheduleTransport
  readonly sessions: SessionTransport
  workers(signal: AbortSignal): Promise<WorkerView[]>
  stats(signal: AbortSignal): Promise<Stats>
  drainWorker(id: string, signal: AbortSignal): Promise<void>
  credentials(signal: AbortSignal): Promise<CredentialView[]>
  resumeCredential(name: string, signal: AbortSignal): Promise<CredentialView>
  webhooks: WebhookTransport
  close(): Promise<void>
}

/** The schedules' part of a transport. What is not there rejects with `NOT_FOUND`. */
export interface ScheduleTransport {
  create(schedule: { input: ScheduleInput; spec: ScheduleSpec }, signal: AbortSignal): Promise<ScheduleView>
  list(query: ScheduleListQuery, signal: AbortSignal): Promise<SchedulePage>
  get(id: string, signal: AbortSignal): Promise<ScheduleView>
  update(
    id: string,
    change: { input: SchedulePatchInput; patch: SchedulePatch },
    signal: AbortSignal,
  ): Promise<ScheduleView>
  remove(id: string, signal: AbortSignal): Promise<void>
  history(id: string, signal: AbortSignal): Promise<ScheduleRun[]>
  run(id: string, signal: AbortSignal): Promise<JobView>
}

/** The named sessions' part of a transport. What is not there rejects with `NOT_FOUND`. */
export interface SessionTransport {
  create(
    session: { input: SessionInput; spec: SessionSpec },
    options: { idempotencyKey: string | undefined; signal: AbortSignal },
  ): Promise<SessionView>
  list(query: SessionListQuery, signal: AbortSignal): Promise<SessionPage>
  get(id: string, signal: AbortSignal): Promise<SessionView>
  close(id: string, signal: AbortSignal): Promise<SessionView>
  export(id: string, signal: AbortSignal): Promise<string>
  import(session: { input: SessionImportInput; imported: SessionImport }, signal: AbortSignal): Promise<SessionView>
}

/** The calls on webhooks, as of `Transport`. */
export interface WebhookTransport {
  create(input: WebhookInput, signal: AbortSignal): Promise<WebhookWithSecret>
  list(signal: AbortSignal): Promise<WebhookView[]>
  get(id: string, signal: AbortSignal): Promise<WebhookView>
  update(id: string, patch: WebhookPatch, signal: AbortSignal): Promise<WebhookView>
  delete(id: string, signal: AbortSignal): Promise<void>
  rotate(id: string, overlapMs: number, signal: AbortSignal): Promise<WebhookWithSecret>
  deliveries(id: string, limit: number, signal: AbortSignal): Promise<DeliveryView[]>
  test(id: string, signal: AbortSignal): Promise<DeliveryView>
}
