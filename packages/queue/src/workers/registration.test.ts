import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFleet, QUIET, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { WorkerStatus } from '../types.js'
import { registerWorker } from './registration.js'

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

const STATUS: WorkerStatus = {
  claudeVersion: '2.1.330',
  limit: 4,
  running: 1,
  spares: 2,
  credentials: ['default'],
  pausedReason: undefined,
  pool: { created: 3, reused: 2, spare: 1, cold: 1, destroyed: 0 },
  ends: {},
}

function register(workerId: string, timing: { ttlMs: number; beatMs: number }, onDrain = () => {}) {
  const deps = { redis: fleet.redis, log: QUIET, status: () => STATUS, onDrain }
  return registerWorker(deps, { prefix: fleet.prefix, workerId, host: 'host', pid: 7 }, timing)
}

const TIMING = { ttlMs: 400, beatMs: 100 }

test('a live worker is listed with what it says, and not after it left', async () => {
  const worker = await register('listed', TIMING)
  const { pool: _pool, ends: _ends, pausedReason: _paused, ...shown } = STATUS
  expect(await fleet.admin.workers()).toMatchObject([{ id: 'listed', host: 'host', pid: 7, ...shown }])
  expect((await fleet.admin.stats(undefined)).pool).toEqual(STATUS.pool)
  await worker.close()
  expect(await fleet.admin.workers()).toEqual([])
})

test('a second live process with the same id is refused', async () => {
  const worker = await register('twin', TIMING)
  await expect(register('twin', TIMING)).rejects.toMatchObject({ code: 'CONFLICT' })
  await worker.close()
})

test('after a crash a new process waits until the old heartbeat has lapsed, and no longer', async () => {
  // Beats once and never again.
  const dead = await register('crashed', { ttlMs: 400, beatMs: 1_000_000 })
  const askedAt = performance.now()
  const next = await register('crashed', TIMING)
  const waitedMs = performance.now() - askedAt
  expect(waitedMs).toBeGreaterThan(300)
  expect(waitedMs).toBeLessThan(1_500)
  await next.close()
  await dead.close()
})

test('a drain request reaches the worker once, and an unknown id is said to be one', async () => {
  let drains = 0
  let drained = () => {}
  const asked = new Promise<void>((resolve) => (drained = resolve))
  const worker = await register('drained', TIMING, () => {
    drains += 1
    drained()
  })
  expect(await fleet.admin.drainWorker('nobody')).toBe(false)
  expect(await fleet.admin.drainWorker('drained')).toBe(true)
  await asked
  await worker.beat()
  expect(drains).toBe(1)
  await worker.close()
})
