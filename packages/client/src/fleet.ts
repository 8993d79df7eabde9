import { setMaxListeners } from 'node:events'
import {
  CREDENTIAL_PATTERN,
  FleetError,
  isEndEvent,
  isEndState,
  isFleetError,
  JOB_ID_PATTERN,
  parseIdempotencyKey,
  type BatchReply,
  type CredentialView,
  type JobInput,
  type JobPage,
  type JobResult,
  type JobView,
  type Stats,
  type StreamEvent,
  WORKER_ID_PATTERN,
  type WorkerView,
} from '@claude-fleet/core'
import { checkBatch, checkJob, checkQuery, type BatchInput, type JobsQuery } from './input.js'
import { createPatience } from './patience.js'
import { createScheduleCalls, type ScheduleCalls } from './schedules.js'
import { createSession, createSessionCalls, type Session, type SessionCalls } from './sessions.js'
import { linkSignals } from './signals.js'
import type { Transport } from './transport.js'
import { createFleetWebhooks, type FleetWebhooks } from './webhooks.js'

export type { BatchInput, JobsQuery } from './input.js'

export interface CallOptions {
  /** Ends the wait; the call rejects with the signal's reason. Cancels nothing in the fleet. */
  signal?: AbortSignal | undefined
}

export interface EnqueueOptions extends CallOptions {
  /** 1 to 255 printable ASCII characters. Makes the call safe to repeat for 24 h: the same key gives the same job, or batch. */
  idempotencyKey?: string | undefined
}

export interface EventsOptions extends CallOptions {
  /** Goes on after the event with this `seq`. Default 0: from the start. */
  after?: number | undefined
  /** Called when the stream has broken off and is asked for again, once each time it was there before. */
  onInterruption?: ((reason: unknown) => void) | undefined
}

/** One job of the fleet. Holds nothing but its id; every call asks the fleet. */
export interface Job {
  readonly id: string
  /**
   * Every event after `after`, once, in order, ending with the job's last; what was cut from the log is one `gap` event.
   * Reconnects by itself and goes on where it was. Returns early when `signal` aborts or the client is closed. Throws
   * FleetError `NOT_FOUND`, or `UNAVAILABLE` when the fleet has been away too long.
   */
  events(options?: EventsOptions): AsyncIterable<StreamEvent>
  /**
   * The result, when the job has completed. Throws FleetError with the job's `code`, `retryable`, `jobId` and `attempt`
   * when it failed, with code `CANCELLED` when it was cancelled.
   */
  result(options?: CallOptions): Promise<JobResult>
  /** The job as it is now. */
  get(options?: CallOptions): Promise<JobView>
  /** Asks for the job's end. `ended`: it had already ended, nothing changes. */
  cancel(options?: CallOptions): Promise<'cancelling' | 'ended'>
  /** A new job with the same prompt and options. Throws FleetError `CONFLICT` when this one has not ended. */
  retry(options?: CallOptions): Promise<Job>
}

/** Credentials are names here; their values never leave the workers. */
export interface CredentialCalls {
  /** Those that workers have or that jobs wait for: `open`, `parked` by a usage limit, `broken` since the API refuses it, or `trying`. */
  list(options?: CallOptions): Promise<CredentialView[]>
  /** Says that it can be used again: one job tries it, then the others go on. Throws FleetError `NOT_FOUND` when no worker has it. */
  resume(name: string, options?: CallOptions): Promise<CredentialView>
}

/** The fleet as a caller sees it, the same over HTTP and over Redis. */
export interface FleetClient {
  /** Throws FleetError: `INVALID_REQUEST` with `details.errors`, `PAYLOAD_TOO_LARGE`, `IDEMPOTENCY_MISMATCH`, `FORBIDDEN`. */
  enqueue(input: JobInput, options?: EnqueueOptions): Promise<Job>
  /** Up to 1,000 jobs; all are checked before any is enqueued. The ids come in the order of the items. Throws as `enqueue`. */
  batch(items: readonly BatchInput[], options?: EnqueueOptions): Promise<BatchReply>
  /** A job by its id. Asks nothing: the first call on it does. */
  job(id: string): Job
  /** Jobs, newest first, a page at a time: pass `nextCursor` as `cursor` for the next. */
  jobs(query?: JobsQuery, options?: CallOptions): Promise<JobPage>
  /** Jobs that come again at the times of a cron expression. */
  readonly schedules: ScheduleCalls
  /** Conversations that go on over many jobs and outlive the worker that ran them. */
  readonly sessions: SessionCalls
  /** A session by its id. Asks nothing: the first call on it does. */
  session(id: string): Session
  /** The live workers. Operators' calls are over HTTP only; over Redis they reject with FleetError `FORBIDDEN`. */
  workers(options?: CallOptions): Promise<WorkerView[]>
  /** Figures of the fleet as the key's tenant sees it. */
  stats(options?: CallOptions): Promise<Stats>
  /** Asks a worker to claim nothing more, finish and exit. Throws FleetError `NOT_FOUND` when none has this id. */
  drainWorker(id: string, options?: CallOptions): Promise<void>
  /** The workers' credentials: which of them jobs may use. Over HTTP only, with a key of scope `admin`. */
  readonly credentials: CredentialCalls
  /** The tenant's endpoints that are told when jobs end. Over HTTP only. */
  readonly webhooks: FleetWebhooks
  /** Ends every call in progress and closes the connection. May be called more than once. */
  close(): Promise<void>
}

/** Makes a client of a transport. `reconnectMs`: how long a fleet that was there may be away. */
export function createFleet(transport: Transport, { reconnectMs }: { reconnectMs: number }): FleetClient {
  const closing = new AbortController()
  // One listener for every call in progress is what it is for; Node 20 takes more than ten for a leak.
  setMaxListeners(0, closing.signal)

  async function call<T>(signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using linked = linkSignals(signal, closing.signal)
    linked.signal.throwIfAborted()
    return await ask(linked.signal)
  }

  async function* events(id: string, options: EventsOptions = {}): AsyncGenerator<StreamEvent> {
    mustBeJobId(id)
    let position = checkPosition(options.after ?? 0)
    using linked = linkSignals(options.signal, closing.signal)
    const { signal } = linked
    const patience = createPatience(reconnectMs, signal)
    let told = false
    const failed = async (reason: unknown) => {
      if (!told) options.onInterruption?.(reason)
      told = true
      await patience.failed(reason)
    }
    while (!signal.aborted) {
      try {
        for await (const event of transport.events(id, position, signal)) {
          if (signal.aborted) return
          patience.succeeded()
          told = false
          if (event.seq <= position) continue
          position = event.seq
          yield event
          if (isEndEvent(event)) return
        }
        // Ended without a last event: the server stops, or there is nothing after `position`.
        if (signal.aborted || (await hasEnded(id, position, signal))) return
        await failed(new FleetError('UNAVAILABLE', 'the stream of events broke off', { jobId: id }))
      } catch (error) {
        if (signal.aborted) return
        await failed(aboutJob(id, error))
      }
    }
  }

  /** Is there nothing after `position`, because the job has ended and its stream says so? */
  async function hasEnded(id: string, position: number, signal: AbortSignal): Promise<boolean> {
    if (!isEndState((await transport.get(id, signal)).state)) return false
    for await (const event of transport.events(id, position, signal)) if (event.seq > position) return false
    return true
  }

  async function result(id: string, signal: AbortSignal): Promise<JobResult> {
    const patience = createPatience(reconnectMs, signal)
    for (;;) {
      try {
        const view = await transport.waitForEnd(id, signal)
        patience.succeeded()
        if (view !== undefined && isEndState(view.state)) return resultOf(view)
      } catch (error) {
        // How a job ended passes through: its codes are none that waiting heals.
        await patience.failed(error)
      }
      signal.throwIfAborted()
    }
  }

  function job(id: string): Job {
    const ask = <T>(options: CallOptions | undefined, work: (id: string, signal: AbortSignal) => Promise<T>) =>
      call(options?.signal, async (signal) => {
        try {
          return await work(mustBeJobId(id), signal)
        } catch (error) {
          // An aborted call rejects with the very reason it was given.
          throw signal.aborted ? error : aboutJob(id, error)
        }
      })
    return {
      id,
      events: (options) => events(id, options),
      result: (options) => ask(options, result),
      get: (options) => ask(options, transport.get),
      cancel: (options) => ask(options, transport.cancel),
      retry: (options) => ask(options, async (known, signal) => job((await transport.retry(known, signal)).id)),
    }
  }

  async function enqueue(input: JobInput, { idempotencyKey, signal: given }: EnqueueOptions = {}): Promise<Job> {
    const valid = checkJob(input)
    parseIdempotencyKey(idempotencyKey)
    return call(given, async (signal) => job((await transport.enqueue(valid, { idempotencyKey, signal })).id))
  }

  const sessions = createSessionCalls(transport.sessions, call)
  return {
    job,
    enqueue,
    sessions,
    session: (id) => createSession(id, sessions, enqueue),
    async batch(items, options = {}) {
      const valid = checkBatch(items)
      const { idempotencyKey } = options
      parseIdempotencyKey(idempotencyKey)
      return call(options.signal, (signal) => transport.batch(valid, { idempotencyKey, signal }))
    },
    async jobs(query = {}, options) {
      const checked = checkQuery(query)
      return call(options?.signal, (signal) => transport.list(checked, signal))
    },
    schedules: createScheduleCalls(transport.schedules, call, job),
    workers: (options) => call(options?.signal, (signal) => transport.workers(signal)),
    stats: (options) => call(options?.signal, (signal) => transport.stats(signal)),
    async drainWorker(id, options) {
      if (!WORKER_ID_PATTERN.test(id)) throw new FleetError('NOT_FOUND', 'there is no such live worker')
      return call(options?.signal, (signal) => transport.drainWorker(id, signal))
    },
    credentials: {
      list: (options) => call(options?.signal, (signal) => transport.credentials(signal)),
      async resume(name, options) {
        if (!CREDENTIAL_PATTERN.test(name)) throw new FleetError('NOT_FOUND', 'no worker has a credential of this name')
        return call(options?.signal, (signal) => transport.resumeCredential(name, signal))
      },
    },
    webhooks: createFleetWebhooks(transport.webhooks, call),
    async close() {
      closing.abort(new FleetError('UNAVAILABLE', 'this client is closed', { retryable: false }))
      await transport.close()
    },
  }
}

/** The same error, with the job that was asked about. */
function aboutJob(jobId: string, error: unknown): unknown {
  if (!isFleetError(error) || error.jobId !== undefined) return error
  const { code, message, retryable, attempt, details, cause } = error
  return new FleetError(code, message, { jobId, retryable, attempt, details, cause })
}

function mustBeJobId(id: string): string {
  if (JOB_ID_PATTERN.test(id)) return id
  throw new FleetError('NOT_FOUND', 'there is no such job', { jobId: id })
}

function checkPosition(after: number): number {
  if (Number.isSafeInteger(after) && after >= 0) return after
  const errors = [{ path: 'after', message: 'must be the seq of an event, or 0' }]
  throw new FleetError('INVALID_REQUEST', 'after must be the seq of an event, or 0', { details: { errors } })
}

/** The result of a job that has ended, or its error thrown. */
function resultOf(view: JobView): JobResult {
  const facts = { jobId: view.id, attempt: view.attempt }
  if (view.state === 'cancelled')
    throw new FleetError('CANCELLED', view.error?.message ?? 'the job was cancelled', facts)
  if (view.result !== undefined) return view.result
  if (view.error === undefined) throw new FleetError('INTERNAL', 'the job ended without a result', facts)
  const { code, message, retryable, attempt, details } = view.error
  throw new FleetError(code, message, { ...facts, attempt, retryable, details })
}
