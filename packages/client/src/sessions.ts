import {
  FleetError,
  parseIdempotencyKey,
  parseInput,
  parseSession,
  parseSessionImport,
  refuseHostileJson,
  SESSION_ID_PATTERN,
  sessionListQuerySchema,
  type JobInput,
  type SessionImportInput,
  type SessionInput,
  type SessionPage,
  type SessionState,
  type SessionView,
} from '@claude-fleet/core'
import type { CallOptions, EnqueueOptions, Job } from './fleet.js'
import type { SessionTransport } from './transport.js'

/** Which page of the sessions. */
export interface SessionsQuery {
  state?: SessionState | undefined
  /** 1 to 100, default 20. */
  limit?: number | undefined
  /** `nextCursor` of the page before. */
  cursor?: string | undefined
}

/**
 * The named sessions of the tenant. Calls reject with FleetError: `INVALID_REQUEST` with `details.errors` for what cannot be,
 * `NOT_FOUND` for one that is not there, `CONFLICT` when the tenant has as many as it may.
 */
export interface SessionCalls {
  create(input?: SessionInput, options?: EnqueueOptions): Promise<SessionView>
  /** Newest first, without their options, a page at a time: pass `nextCursor` as `cursor` for the next. */
  list(query?: SessionsQuery, options?: CallOptions): Promise<SessionPage>
  get(id: string, options?: CallOptions): Promise<SessionView>
  /**
   * A new session that goes on from the memory of this one, with its options where `input` gives none. Rejects with `CONFLICT`
   * while a turn of it runs, with `SESSION_CLOSED` when it is closed.
   */
  fork(id: string, input?: Omit<SessionInput, 'fork' | 'cwd'>, options?: EnqueueOptions): Promise<SessionView>
  /** The running turn is cancelled, waiting jobs fail with `SESSION_CLOSED`, the memory goes. The second time it does nothing. */
  close(id: string, options?: CallOptions): Promise<SessionView>
  /** The memory as claude's lines of JSON, without the turn that runs. Empty before the first turn and after the close. */
  export(id: string, options?: CallOptions): Promise<string>
  /** A new session with a memory that was exported. */
  import(input: SessionImportInput, options?: CallOptions): Promise<SessionView>
}

/** One session of the fleet. Holds nothing but its id; every call asks the fleet. */
export interface Session {
  readonly id: string
  /**
   * Enqueues its next turn: a prompt, or a job without options of the conversation. Turns run one at a time, in the order
   * of these calls. Throws as `enqueue` of the client, and `NOT_FOUND`, `SESSION_CLOSED` or `CONFLICT`.
   */
  enqueue(input: string | Omit<JobInput, 'session'>, options?: EnqueueOptions): Promise<Job>
  get(options?: CallOptions): Promise<SessionView>
  fork(input?: Omit<SessionInput, 'fork' | 'cwd'>, options?: EnqueueOptions): Promise<Session>
  close(options?: CallOptions): Promise<SessionView>
  export(options?: CallOptions): Promise<string>
}

type Call = <T>(signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** `call` bounds a call by the caller's signal and the client's life. */
export function createSessionCalls(transport: SessionTransport, call: Call): SessionCalls {
  async function create(input: SessionInput, { idempotencyKey, signal }: EnqueueOptions = {}): Promise<SessionView> {
    refuseHostileJson(input)
    const spec = parseSession(input)
    parseIdempotencyKey(idempotencyKey)
    return call(signal, (linked) => transport.create({ input, spec }, { idempotencyKey, signal: linked }))
  }

  return {
    create: (input = {}, options) => create(input, options),
    async list(query = {}, options) {
      const checked = parseInput(sessionListQuerySchema, query)
      return call(options?.signal, (signal) => transport.list(checked, signal))
    },
    async get(id, options) {
      const known = mustBeSessionId(id)
      return call(options?.signal, (signal) => transport.get(known, signal))
    },
    fork: async (id, input = {}, options) => create({ ...input, fork: mustBeSessionId(id) }, options),
    async close(id, options) {
      const known = mustBeSessionId(id)
      return call(options?.signal, (signal) => transport.close(known, signal))
    },
    async export(id, options) {
      const known = mustBeSessionId(id)
      return call(options?.signal, (signal) => transport.export(known, signal))
    },
    async import(input, options) {
      refuseHostileJson(input)
      const imported = parseSessionImport(input)
      return call(options?.signal, (signal) => transport.import({ input, imported }, signal))
    },
  }
}

/** A session by its id. Asks nothing: the first call on it does. */
export function createSession(
  id: string,
  calls: SessionCalls,
  enqueue: (input: JobInput, options?: EnqueueOptions) => Promise<Job>,
): Session {
  return {
    id,
    enqueue: async (input, options) => {
      const job = typeof input === 'string' ? { prompt: input } : input
      return enqueue({ ...job, session: mustBeSessionId(id) }, options)
    },
    get: (options) => calls.get(id, options),
    fork: async (input, options) => createSession((await calls.fork(id, input, options)).id, calls, enqueue),
    close: (options) => calls.close(id, options),
    export: (options) => calls.export(id, options),
  }
}

function mustBeSessionId(id: string): string {
  if (SESSION_ID_PATTERN.test(id)) return id
  throw new FleetError('NOT_FOUND', 'there is no such session')
}
