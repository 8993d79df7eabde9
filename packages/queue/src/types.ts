import type {
  BatchReply,
  CredentialView,
  EventBody,
  JobError,
  JobListQuery,
  JobPage,
  JobResult,
  JobSpec,
  JobState,
  JobView,
  PoolCounters,
  ProcessEndReason,
  Stats,
  StreamEvent,
  Usage,
  SessionState,
  SessionView,
  WorkerView,
} from '@claude-fleet/core'
import type { FleetMetrics } from './admin/metrics.js'

/** A connection to one Redis. The client library behind it never shows. */
export interface RedisConnection {
  /** Round trip, ms. Rejects with FleetError `UNAVAILABLE` when Redis does not answer in time. */
  ping(): Promise<number>
  close(): Promise<void>
}

/** The least a logger must do here; pino's is one. */
export interface Log {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export interface EnqueueRequest {
  tenant: string
  spec: JobSpec
  /** Makes the call safe to repeat for 24 h. */
  idempotencyKey?: string | undefined
  retryOf?: string | undefined
}

export interface BatchEnqueueRequest {
  tenant: string
  items: readonly { spec: JobSpec; customId?: string | undefined }[]
  /** Makes the call safe to repeat for 24 h. */
  idempotencyKey?: string | undefined
}

export interface BatchEnqueueReply extends BatchReply {
  /** False when the idempotency key had already made this batch. */
  created: boolean
}

export interface EnqueueReply {
  job: JobView
  /** False when the idempotency key had already made this job. */
  created: boolean
}

/**
 * Puts jobs into the fleet and asks about them. Every call has its own deadline and rejects with FleetError
 * `UNAVAILABLE` when Redis does not answer; a job of another tenant does not exist.
 */
export interface Producer {
  /** Rejects with `IDEMPOTENCY_MISMATCH` when the key was used for another body. */
  enqueue(request: EnqueueRequest): Promise<EnqueueReply>
  /**
   * The jobs share one batch id; the ids come in the order of the items. With a key a repeated call completes what an
   * earlier one began and answers the same. Rejects with `IDEMPOTENCY_MISMATCH` when it was used for another body.
   */
  enqueueBatch(request: BatchEnqueueRequest): Promise<BatchEnqueueReply>
  get(tenant: string, jobId: string): Promise<JobView | undefined>
  list(tenant: string, query: JobListQuery): Promise<JobPage>
  /** Asks for the job's end. `ended` when it had already ended (nothing changes), undefined when it does not exist. */
  cancel(tenant: string, jobId: string, reason: string): Promise<'cancelling' | 'ended' | undefined>
  /** A new job with the same spec. Rejects with `CONFLICT` when the old one has not ended; undefined: no such job. */
  retry(tenant: string, jobId: string): Promise<JobView | undefined>
  close(): Promise<void>
}

/** Reads streams. One Redis subscriber connection, however many streams. */
export interface EventReader {
  /**
   * Every event of the job after `after` (0: from the start), once, in order, without a gap, ending with the job's
   * last event. What was cut from the log is said by one `gap` event. Resolves by returning when `signal` aborts.
   * Throws FleetError `NOT_FOUND` when the job does not exist for the tenant.
   */
  events(tenant: string, jobId: string, options: { after: number; signal: AbortSignal }): AsyncIterable<StreamEvent>
  /** The job once it has ended, or as it is when `waitMs` have passed or `signal` aborts. Undefined: no such job. */
  waitForEnd(
    tenant: string,
    jobId: string,
    options: { waitMs: number; signal: AbortSignal },
  ): Promise<JobView | undefined>
  close(): Promise<void>
}

/** Why an attempt must stop. Reason of `Claim.signal`. */
export type AttemptStop =
  | { kind: 'cancelled'; reason: string }
  /** The lock was lost: another attempt may run. Nothing more can be written. */
  | { kind: 'fenced' }
  /** The worker shuts down and its deadline has passed. */
  | { kind: 'drain' }

/** `doubtful`: Redis has not confirmed the lock for so long that another worker may soon run the job. */
export type LockState = 'sure' | 'doubtful'

/** How sure an attempt can be that it alone runs its job. */
export interface ClaimLock {
  readonly state: LockState
  /**
   * Calls at every change. While it is doubtful the attempt must be suspended: it may make no progress, and need not
   * end. Either it becomes sure again, or `signal` aborts with `fenced`; then it must end without going on.
   * Returns what ends the calls.
   */
  onChange(listener: (state: LockState) => void): () => void
}

/** What is mirrored of the conversation that an attempt goes on with. */
export interface TranscriptState {
  /** Claude's own id of the conversation. */
  sessionId: string
  /** Names how far the conversation had come before this job; undefined: this is its first turn. */
  revision: string | undefined
  /** An earlier attempt at this job had mirrored some of its turn. */
  interrupted: boolean
}

/** Rows of the conversation before this job, and of its own turn so far. */
export interface TranscriptRows {
  before: string[]
  turn: string[]
}

/**
 * The transcript of the conversation that a claim's turn belongs to: of the session its job names, else of the job. The
 * job's end decides: what was appended becomes part of a session's conversation when the job completes, and is forgotten
 * otherwise; a job's own transcript goes with its end. All reject when Redis does not answer.
 */
export interface ClaimTranscript {
  /** Undefined: nothing is mirrored. */
  state(): Promise<TranscriptState | undefined>
  /** Rejects with FleetError `INTERNAL` when it is broken. */
  load(): Promise<TranscriptRows>
  /**
   * Adds rows of the turn; with `anew` instead of those that are there. `full`: there were too many bytes, none of this
   * turn is kept, and a session can go no further. `fenced`: another attempt has begun, nothing was written.
   */
  append(sessionId: string, rows: readonly string[], options: { anew: boolean }): Promise<'ok' | 'full' | 'fenced'>
}

/** One attempt at one job, as the worker holds it. */
export interface Claim {
  readonly jobId: string
  readonly tenant: string
  readonly spec: JobSpec
  readonly createdAt: number
  /** From 1, over all workers. */
  readonly attempt: number
  /** Attempts that failed before this one. */
  readonly failures: number
  /** ms from when the job might first run to its first attempt. */
  readonly queueMs: number
  /** Spent by earlier attempts, USD. */
  readonly spentUsd: number
  /** Model round trips of earlier attempts that failed; what a shutdown or a lost worker took is not the job's doing. */
  readonly spentTurns: number
  readonly signal: AbortSignal
  readonly lock: ClaimLock
  /** Has its tenant spent what it may spend in a day? Known as soon as what this attempt spent is written. */
  isBroke(): boolean
  readonly transcript: ClaimTranscript
  /**
   * Appends an event to the job's stream; text deltas are coalesced. Returns at once. When the writer holds more than
   * its bound, `drained()` is how to wait.
   */
  write(body: EventBody): void
  /** What the attempt has spent so far, absolute. It is kept with the events, so that a lost attempt's cost is known. */
  spent(spend: Pick<AttemptOutcome, 'costUsd' | 'usage'>): void
  /** Resolves when the writer holds less than its bound again, or the claim is aborted. */
  drained(): Promise<void>
}

/** What an attempt came to. The consumer writes it: seal first, then BullMQ. */
export type AttemptOutcome = { costUsd: number; usage: Usage; tools: Readonly<Record<string, number>> } & (
  | { type: 'completed'; result: JobResult; firstTextMs: number | undefined }
  | { type: 'failed'; error: JobError }
  | { type: 'cancelled'; reason: string }
  /** `turns`: model round trips that the failed attempt has had. */
  | { type: 'retry'; error: JobError; delayMs: number; turns?: number }
  | { type: 'parked'; error: JobError; resumesAt: number }
  /** Handed back unspent: no failure is counted. `delayMs` 0: to the head of the queue. */
  | { type: 'returned'; delayMs: number; reason: string }
  /** The lock was lost; there is nothing to write. */
  | { type: 'fenced' }
)

export interface ConsumerOptions {
  prefix: string
  workerId: string
  /** Attempts at once, at most. */
  concurrency: number
  retentionMs: number
  /** What this worker is or has: it runs turns of sessions that ask for no other. Default: none. */
  labels?: readonly string[] | undefined
  /** 32 bytes each: keys that jobs must be signed with, any of them. Default: none, and signatures are not looked at. */
  jobKeys?: readonly Uint8Array[] | undefined
  /** Most that a mirrored transcript may have, packed, bytes. Default: 8 MiB. */
  transcriptBytes?: number | undefined
  /** How pieces of an answer gather into events: for up to `windowMs` (25), up to `chars` (32,768). */
  events?: { windowMs: number; chars: number } | undefined
}

/** Claims jobs and settles what came of them. */
export interface Consumer {
  /** Looks after jobs whose worker was lost, from before the first claim. `start` does it too. */
  watch(): void
  /** Resolves when the first claim may come. Rejects with FleetError when Redis cannot be reached or is not fit. */
  start(): Promise<void>
  /** Claims nothing while `on`, also when it has not started yet. Attempts in progress go on. */
  hold(on: boolean): void
  /** Claims nothing more. Attempts in progress go on. */
  pause(): void
  running(): number
  /**
   * Stops claiming, waits for attempts until `deadlineMs` have passed, then aborts them with `drain` and waits for their
   * outcomes. A second call with a nearer deadline wins. Resolves when nothing is in progress.
   */
  stop(deadlineMs: number): Promise<void>
}

export interface WorkerStatus {
  claudeVersion: string
  limit: number
  running: number
  spares: number
  credentials: string[]
  labels?: string[] | undefined
  /** How long it keeps the process of a session for the next turn, ms. Default: 0. */
  keepsMs?: number | undefined
  pausedReason: string | undefined
  /** Since the process began. */
  pool: PoolCounters
  /** Why processes were ended, since the process began. */
  ends: Readonly<Partial<Record<ProcessEndReason, number>>>
}

/** What one worker process measures by itself. It is told with the heartbeats, as totals since the process began. */
export interface Tally {
  /** Adds one duration, ms, to the distribution. */
  observe(name: WorkerLatency, ms: number): void
  count(name: WorkerCount): void
  totals(): Record<string, number>
}

/** `egressRefused`: a connection that a tool asked the worker for and did not get. */
export type WorkerCount = 'egressRefused'

/** `acquire`: from asking the pool until an attempt has a session. `spawn`: the start of a claude process. */
export type WorkerLatency = 'acquire' | 'spawn'

/** This worker's place among the live ones. */
export interface WorkerRegistration {
  /** Sends a heartbeat now, beside the regular ones. */
  beat(): Promise<void>
  /** Takes the worker off the list. */
  close(): Promise<void>
}

/** ms; upper bounds of histogram buckets. */
export interface LatencyQuantiles {
  p50: number
  p90: number
  p99: number
}

/** What ended in one minute. Latencies are undefined where nothing did. */
export interface HistoryMinute {
  /** Its start, ms since the epoch. */
  at: number
  completed: number
  failed: number
  cancelled: number
  costUsd: number
  queueMs: LatencyQuantiles | undefined
  firstTextMs: LatencyQuantiles | undefined
  totalMs: LatencyQuantiles | undefined
}

export interface FleetHistory {
  /** The last hour, oldest first. */
  minutes: HistoryMinute[]
  /** Since midnight UTC by Redis's clock, USD. */
  costTodayUsd: number
}

/** A job and whose it is, as operators see it. */
export interface OperatorJob {
  tenant: string
  job: JobView
}

/** A named session and whose it is, as operators see it. */
export interface OperatorSession {
  tenant: string
  session: SessionView
}

export interface OperatorPage {
  items: OperatorJob[]
  nextCursor?: string
}

export interface FoundJob extends OperatorJob {
  /** Undefined when the record has none that can be read. */
  spec?: JobSpec
}

/** Operators' reads. The hot path does not use them. */
export interface Admin {
  workers(): Promise<WorkerView[]>
  /** Sums of one tenant, or of all when undefined. */
  stats(tenant: string | undefined): Promise<Stats>
  countsByState(tenant: string | undefined): Promise<Record<JobState, number>>
  /** The last hour, minute by minute, of one tenant or of all. */
  history(tenant: string | undefined): Promise<FleetHistory>
  /** Of all tenants together; names none. Calls at one time share one read. */
  metrics(): Promise<FleetMetrics>
  /** Names of all tenants that ever had a job. */
  tenants(): Promise<string[]>
  /** A job of whatever tenant. Undefined: no such job. */
  findJob(jobId: string): Promise<FoundJob | undefined>
  /** Jobs of one tenant or of all, newest first. */
  jobs(tenant: string | undefined, query: JobListQuery): Promise<OperatorPage>
  /** How many named sessions are in which state, of all tenants. */
  sessionCounts(): Promise<Record<SessionState, number>>
  /** The latest sessions of all tenants, `limit` at most, without their options. */
  sessions(limit: number): Promise<OperatorSession[]>
  /** Asks a worker to drain. False: no live worker has this id. */
  drainWorker(workerId: string): Promise<boolean>
  /** The credentials that workers have or that jobs wait for, by name. */
  credentials(): Promise<CredentialView[]>
  /** An operator's word that a credential is good again. False: no worker has it. */
  resumeCredential(name: string): Promise<boolean>
  close(): Promise<void>
}

/** Removes what has outlived retention and mends what a crash left half done. Any number may run at once. */
export interface Janitor {
  start(): void
  /** One pass now; resolves to what it did. */
  sweep(): Promise<{ removed: number; repaired: number }>
  stop(): Promise<void>
}
