import { JOB_STATES } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, openFleet, QUIET, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim, WorkerStatus } from '../types.js'
import { registerWorker } from '../workers/registration.js'
import { createTally } from '../workers/tally.js'
import { foldMetrics } from './metrics.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
})
afterAll(async () => {
  await fleet.close()
  await server.stop()
})

const SPENT = { costUsd: 0.125, usage: USAGE, tools: {} }

/** Does what the prompt says. */
async function obey(claim: Claim): Promise<AttemptOutcome> {
  const error = { message: 'x', retryable: true, attempt: claim.attempt, details: {} }
  switch (claim.attempt === 1 ? claim.spec.prompt : '') {
    case 'fail':
      return { type: 'failed', ...SPENT, error: { ...error, code: 'TIMEOUT' } }
    case 'retry':
      return { type: 'retry', ...SPENT, error: { ...error, code: 'OVERLOADED' }, delayMs: 0 }
    case 'park':
      return { type: 'parked', ...SPENT, error: { ...error, code: 'USAGE_LIMIT' }, resumesAt: Date.now() + 100 }
    default:
      return completed(claim)
  }
}

test('every way a job goes is counted once, for the whole fleet, and by error code', async () => {
  await fleet.consume(obey)
  const jobs = await Promise.all(['go', 'fail', 'retry', 'park'].map((prompt) => fleet.enqueue({ prompt })))
  const waiting = await fleet.enqueue({ prompt: 'go', delayMs: 60_000 })
  await fleet.producer.cancel('acme', waiting.id, 'not wanted')
  await Promise.all([...jobs, waiting].map(({ id }) => fleet.ended(id)))
  await fleet.producer.retry('acme', jobs[0]?.id ?? '')

  await expect.poll(async () => (await fleet.admin.metrics()).ended.completed, { interval: 20 }).toBe(4)
  const seen = await fleet.admin.metrics()
  expect(seen).toMatchObject({
    attempts: 7,
    ended: { completed: 4, cancelled: 1, failed: { TIMEOUT: 1 } },
    retries: { OVERLOADED: 1 },
    parked: { USAGE_LIMIT: 1 },
    workersLost: 0,
    fenced: { append: 0, settle: 0 },
    costUsd: 4 * 0.25 + 3 * 0.125,
    tokens: { inputTokens: 70, outputTokens: 35, cacheReadTokens: 7, cacheCreationTokens: 14 },
    oldestWaitingMs: 0,
    jobs: { completed: 4, failed: 1, cancelled: 1, waiting: 0, active: 0 },
  })
  const observed = Object.entries(seen.latencies).map(([name, { buckets }]) => [
    name,
    buckets.reduce((sum, { count }) => sum + count, 0),
  ])
  // The job that was cancelled before its time has no duration.
  expect(Object.fromEntries(observed)).toEqual({ queue: 5, firstText: 4, total: 5, acquire: 0, spawn: 0 })
  expect(seen.latencies.firstText.sumMs).toBe(4 * 12)
  expect(Object.keys(seen.jobs)).toEqual([...JOB_STATES])
})

test("a worker's own counts are added once, also when a beat comes twice, lapses, or is its last", async () => {
  const tally = createTally()
  const status: WorkerStatus = {
    claudeVersion: '2.1.330',
    limit: 1,
    running: 0,
    spares: 0,
    credentials: [],
    pausedReason: undefined,
    pool: { created: 0, reused: 0, spare: 0, cold: 0, destroyed: 0 },
    ends: {},
  }
  const own = { redis: fleet.redis, log: QUIET, tally, status: () => status, onDrain() {} }
  const timing = { ttlMs: 60_000, beatMs: 1_000_000 }
  const worker = await registerWorker(own, { prefix: fleet.prefix, workerId: 'w', host: 'h', pid: 1 }, timing)
  status.pool.cold = 2
  tally.observe('spawn', 420)
  tally.observe('spawn', 90_000_000)
  tally.observe('acquire', 430)
  await worker.beat()
  await worker.beat()
  await fleet.client.del(fleet.keys.worker('w'))
  await worker.beat()
  const between = await fleet.admin.metrics()
  expect(between.pool).toMatchObject({ cold: 2, destroyed: 0 })
  expect(between.latencies.spawn.sumMs).toBe(90_000_420)
  expect(between.latencies.spawn.buckets.filter(({ count }) => count > 0)).toEqual([
    { upTo: 500, count: 1 },
    { upTo: Infinity, count: 1 },
  ])
  status.pool.destroyed = 2
  status.ends = { idle: 2 }
  await worker.close()
  await worker.close()
  const after = await fleet.admin.metrics()
  expect([after.pool.destroyed, after.pool.cold, after.latencies.acquire.sumMs, after.workers]).toEqual([2, 2, 430, []])
  expect(after.processEnds).toMatchObject({ idle: 2, died: 0 })
  expect((await fleet.admin.stats('anybody')).pool).toEqual(after.pool)
})

test('a bound and a code of another version are still counted', () => {
  const fields = { 'queue:7': '3', 'queue:inf': '1', 'queue:sum': '18', 'retry:FROM_THE_FUTURE': '2' }
  const { latencies, retries } = foldMetrics(fields, {})
  expect(latencies.queue.buckets.filter(({ count }) => count > 0)).toEqual([
    { upTo: 10, count: 3 },
    { upTo: Infinity, count: 1 },
  ])
  expect(retries).toEqual({ INTERNAL: 2 })
})
