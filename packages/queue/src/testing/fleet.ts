import {
  jobSpecSchema,
  sessionSpecSchema,
  type EventBody,
  type JobInput,
  type JobResult,
  type JobSpec,
  type SessionInput,
  type StreamEvent,
} from '@claude-fleet/core'
import { createConsumer } from '../consumer/consumer.js'
import { OPEN_GATE } from '../admission/gate.js'
import { createAdmin } from '../admin/admin.js'
import { createJanitor } from '../janitor/janitor.js'
import { createProducer } from '../jobs/producer.js'
import { createEventReader } from '../events/reader.js'
import { newJobId } from '../ids.js'
import { createKeys } from '../keys.js'
import { clientOf, connectRedis } from '../redis/connect.js'
import { createSessions } from '../sessions/registry.js'
import { LOCK_TIMING, type LockTiming } from '../consumer/timing.js'
import type { AttemptOutcome, Claim, Consumer, Log } from '../types.js'

export const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }
/** Short enough for a test, long enough that a busy machine does not lose a lock by accident. */
export const SHORT_LOCKS: LockTiming = {
  lockMs: 1_500,
  renewMs: 300,
  doubtMs: 1_000,
  cutOffMs: 1_300,
  holdMs: 60_000,
  reapMs: 100,
  gapMs: 600,
}
export const TENANT = 'acme'
export const RETENTION_MS = 60_000

/** One fleet under a prefix of its own, and the end of all that was started in it. */
export async function openFleet(url: string, options: { retentionMs?: number; prefix?: string } = {}) {
  const prefix = options.prefix ?? `t${newJobId().slice(2, 12)}`
  const retentionMs = options.retentionMs ?? RETENTION_MS
  const redis = await connectRedis({ url, name: 'test', mode: 'api' })
  const deps = { redis, log: QUIET }
  const producer = createProducer(deps, { prefix, retentionMs })
  const reader = createEventReader(deps, { prefix })
  const janitor = createJanitor(deps, { prefix, retentionMs })
  const sessions = createSessions(deps, { prefix, retentionMs })
  const consumers: { consumer: Consumer; close: () => Promise<void> }[] = []

  async function consume(
    run: (claim: Claim) => Promise<AttemptOutcome>,
    {
      workerId = 'w1',
      concurrency = 4,
      timing = LOCK_TIMING,
      log = QUIET,
      admission = OPEN_GATE,
      transcriptBytes = 1_000_000,
      fingerprint = undefined as string | undefined,
      labels = [] as string[],
      has = undefined as ((credential: string) => boolean) | undefined,
    } = {},
  ): Promise<Consumer> {
    const own = await connectRedis({ url, name: workerId, mode: 'worker' })
    const consumer = createConsumer(
      { redis: own, log, run, admission, fingerprint: () => fingerprint, has },
      { prefix, workerId, concurrency, transcriptBytes, retentionMs, labels },
      timing,
    )
    consumers.push({ consumer, close: () => own.close() })
    await consumer.start()
    return consumer
  }

  return {
    prefix,
    redis,
    keys: createKeys(prefix),
    client: clientOf(redis),
    producer,
    reader,
    janitor,
    sessions,
    admin: createAdmin(deps, { prefix }),
    consume,
    /** A new named session. */
    session: async (input: SessionInput = {}, tenant = TENANT) =>
      (await sessions.create(tenant, sessionSpecSchema.parse(input))).session,
    enqueue: async (input: Partial<JobInput> = {}) =>
      (await producer.enqueue({ tenant: TENANT, spec: specOf(input) })).job,
    events: (id: string, after = 0) =>
      collect(reader.events(TENANT, id, { after, signal: AbortSignal.timeout(15_000) })),
    ended: (id: string) => reader.waitForEnd(TENANT, id, { waitMs: 15_000, signal: new AbortController().signal }),
    async close() {
      await Promise.all(consumers.map(({ consumer }) => consumer.stop(0)))
      await Promise.all(consumers.map(({ close }) => close()))
      await janitor.stop()
      await sessions.end()
      await reader.close()
      await producer.close()
      await redis.close()
    },
  }
}
export type TestFleet = Awaited<ReturnType<typeof openFleet>>

export function specOf(input: Partial<JobInput> = {}): JobSpec {
  return jobSpecSchema.parse({ prompt: 'say hello', ...input })
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of source) all.push(one)
  return all
}

export const USAGE = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 1, cacheCreationTokens: 2 }

export function completed(claim: Claim, text = 'hello'): AttemptOutcome {
  const result: JobResult = {
    text,
    sessionId: 'session',
    numTurns: 1,
    durationMs: 1,
    queueMs: claim.queueMs,
    attempt: claim.attempt,
    start: 'cold',
    usage: USAGE,
    costUsd: 0.25,
    model: 'model',
    tools: { Read: 1 },
    permissionDenials: [],
    log: { lines: 0, errors: 0, warnings: 0 },
    worker: 'w1',
  }
  return { type: 'completed', result, firstTextMs: 12, costUsd: 0.25, usage: USAGE, tools: { Read: 1 } }
}

export const started: EventBody = { type: 'started', worker: 'w1', sessionId: 'session', start: 'cold' }

/** Resolves when the attempt was asked to stop. */
export function stopped(claim: Claim): Promise<void> {
  if (claim.signal.aborted) return Promise.resolve()
  return new Promise((resolve) => claim.signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** The types of the events, deltas included, after checking that their numbers rise by one from `from`. */
export function typesOf(events: readonly StreamEvent[], from = 1): string[] {
  for (const [at, event] of events.entries()) {
    if (event.seq !== from + at) throw new Error(`event ${at} has seq ${event.seq}, not ${from + at}`)
  }
  return events.map(({ type }) => type)
}
