import { FleetError, type StreamEvent } from '@claude-fleet/core'
import {
  connectRedis,
  createEventReader,
  createProducer,
  createSchedules,
  createSessions,
  type Log,
} from '@claude-fleet/queue'
import { until } from '../signals.js'
import type { Transport } from '../transport.js'

export interface RedisEndpoint {
  url: string
  tenant: string
  prefix: string
  retentionMs: number
  jobKeys: readonly Uint8Array[]
}

const WAIT_MS = 30_000

/** A library does not write to its user's terminal; what goes wrong is said by the calls. */
const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** The fleet straight through its Redis. Rejects with FleetError `UNAVAILABLE` when Redis does not answer. */
export async function connectRedisTransport(endpoint: RedisEndpoint): Promise<Transport> {
  const { tenant } = endpoint
  const redis = await connectRedis({ url: endpoint.url, name: 'claude-fleet-client', mode: 'api' })
  const deps = { redis, log: SILENT }
  const producer = createProducer(deps, endpoint)
  const reader = createEventReader(deps, endpoint)
  const schedules = createSchedules(deps, endpoint)
  const sessions = createSessions(deps, endpoint)
  let closed: Promise<void> | undefined

  async function close(): Promise<void> {
    await Promise.all([producer.close(), schedules.close(), sessions.end(), reader.close()])
    await redis.close()
  }

  return {
    async enqueue({ spec }, { idempotencyKey, signal }) {
      return (await until(signal, producer.enqueue({ tenant, spec, idempotencyKey }))).job
    },
    async batch(valid, { idempotencyKey, signal }) {
      const { id, items } = await until(signal, producer.enqueueBatch({ tenant, items: valid, idempotencyKey }))
      return { id, items }
    },
    list: (query, signal) => until(signal, producer.list(tenant, query)),
    get: async (id, signal) => found(id, await until(signal, producer.get(tenant, id))),
    cancel: async (id, signal) => found(id, await until(signal, producer.cancel(tenant, id, 'cancelled by request'))),
    retry: async (id, signal) => found(id, await until(signal, producer.retry(tenant, id))),
    events: (id, after, signal) => endingWith(signal, reader.events(tenant, id, { after, signal })),
    async waitForEnd(id, signal) {
      return found(id, await until(signal, reader.waitForEnd(tenant, id, { waitMs: WAIT_MS, signal })))
    },
    schedules: {
      create: ({ spec }, signal) => until(signal, schedules.create(tenant, spec)),
      list: (query, signal) => until(signal, schedules.list(tenant, query)),
      get: async (id, signal) => foundSchedule(await until(signal, schedules.get(tenant, id))),
      update: async (id, { patch }, signal) => foundSchedule(await until(signal, schedules.update(tenant, id, patch))),
      async remove(id, signal) {
        if (!(await until(signal, schedules.remove(tenant, id)))) throw noSuchSchedule()
      },
      history: async (id, signal) => foundSchedule(await until(signal, schedules.history(tenant, id))),
      run: async (id, signal) => foundSchedule(await until(signal, schedules.run(tenant, id))),
    },
    sessions: {
      async create({ spec }, { idempotencyKey, signal }) {
        return (await until(signal, sessions.create(tenant, spec, { idempotencyKey }))).session
      },
      list: (query, signal) => until(signal, sessions.list(tenant, query)),
      get: async (id, signal) => foundSession(await until(signal, sessions.get(tenant, id))),
      close: async (id, signal) => foundSession(await until(signal, sessions.close(tenant, id))),
      import: ({ imported }, signal) => until(signal, sessions.import(tenant, imported)),
      async export(id, signal) {
        const pieces = foundSession(await until(signal, sessions.export(tenant, id)))
        return until(signal, textOf(pieces))
      },
    },
    workers: operatorsOnly,
    stats: operatorsOnly,
    drainWorker: operatorsOnly,
    credentials: operatorsOnly,
    resumeCredential: operatorsOnly,
    webhooks: {
      create: apiOnly,
      list: apiOnly,
      get: apiOnly,
      update: apiOnly,
      delete: apiOnly,
      rotate: apiOnly,
      deliveries: apiOnly,
      test: apiOnly,
    },
    close: () => (closed ??= close()),
  }
}

/** The events, until the signal aborts: then it ends at once, also while Redis stands still. */
async function* endingWith(signal: AbortSignal, source: AsyncIterable<StreamEvent>): AsyncGenerator<StreamEvent> {
  const events = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await until(signal, events.next())
      if (next.done === true) return
      yield next.value
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    // It ends by itself when Redis answers, or its deadline comes.
    void events.return?.().catch(() => undefined)
  }
}

/** Operators' calls have a key with a scope, which Redis knows nothing of. */
async function operatorsOnly(): Promise<never> {
  throw new FleetError('FORBIDDEN', "operators' calls go to the API: connect with its url and a key", {
    retryable: false,
  })
}

/** The secrets of webhooks are encrypted with a key that the API alone has. */
async function apiOnly(): Promise<never> {
  throw new FleetError('FORBIDDEN', 'calls on webhooks go to the API: connect with its url', { retryable: false })
}

function found<T>(id: string, value: T | undefined): T {
  if (value === undefined) throw new FleetError('NOT_FOUND', 'there is no such job', { jobId: id })
  return value
}

function foundSchedule<T>(value: T | undefined): T {
  if (value === undefined) throw noSuchSchedule()
  return value
}

function foundSession<T>(value: T | undefined): T {
  if (value === undefined) throw new FleetError('NOT_FOUND', 'there is no such session')
  return value
}

async function textOf(pieces: AsyncIterable<string[]>): Promise<string> {
  let text = ''
  for await (const rows of pieces) for (const row of rows) text += `${row}\n`
  return text
}

const noSuchSchedule = () => new FleetError('NOT_FOUND', 'there is no such schedule')
