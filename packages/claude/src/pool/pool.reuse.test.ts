import { setImmediate as turnOfLoop, setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fakeSessions, never, pidOf, spec, untilSpares } from '../testing/sessions.js'
import { createSessionPool } from './pool.js'

const kept = { max: 2, spares: 0, idleMs: 60_000, refillDelayMs: 0 }

test('a released process serves the next equal spec once its reset is proven', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  for (const start of ['cold', 'reused', 'reused']) {
    const lease = await pool.acquire(spec, { signal: never })
    expect([lease.start, pidOf(lease)]).toEqual([start, 1])
    await lease.release()
  }
  expect(pool.stats()).toMatchObject({ created: 1, cold: 1, reused: 2, destroyed: 0, idle: 1, spares: 0 })
  await pool.stop()
  expect(sessions.living.size).toBe(0)
})

test('an acquire that comes while the process is reset has it, and waits for no start', async () => {
  const sessions = fakeSessions({ steps: () => 3 })
  const pool = createSessionPool(sessions, kept)
  const first = await pool.acquire(spec, { signal: never })
  void first.release()
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'reused' })
  expect(sessions.specs.size).toBe(1)
  await pool.stop()
})

test('an acquire that is given up while the process is reset leaves it to the next', async () => {
  const sessions = fakeSessions({ steps: () => 3 })
  const pool = createSessionPool(sessions, kept)
  void (await pool.acquire(spec, { signal: never })).release()
  const abort = new AbortController()
  const given = pool.acquire(spec, { signal: abort.signal })
  abort.abort('given up')
  await expect(given).rejects.toBe('given up')
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'reused' })
  await pool.stop()
})

test('without proof there is no reuse: the process is ended, why is told, and the one who waited gets a start', async () => {
  const told: string[] = []
  const sessions = fakeSessions({ steps: () => 3, notReusable: () => 'a background task runs' })
  const pool = createSessionPool({ ...sessions, onNotReusable: (why) => told.push(why) }, kept)
  void (await pool.acquire(spec, { signal: never })).release()
  const second = await pool.acquire(spec, { signal: never })
  expect([second.start, pidOf(second)]).toEqual(['cold', 2])
  expect(told).toEqual(['a background task runs'])
  while (sessions.living.size > 1) await turnOfLoop()
  expect(pool.stats().destroyedBy).toEqual({ not_reusable: 1 })
  await pool.stop()
})

test('where a process cannot be the same as a later start none is kept, and no spare is begun', async () => {
  const sessions = fakeSessions({ lasts: () => false })
  const pool = createSessionPool(sessions, { ...kept, spares: 2 })
  for (let job = 0; job < 2; job += 1) {
    const lease = await pool.acquire(spec, { signal: never })
    expect(lease.start).toBe('cold')
    await lease.release()
    await delay(5)
  }
  expect(pool.stats()).toMatchObject({ created: 2, destroyedBy: { used: 2 } })
  await pool.stop()
})

test('a discarded process never serves again', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  await (await pool.acquire(spec, { signal: never })).discard()
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'cold' })
  await pool.stop()
})

test.each([
  ['tenant', { tenant: 'other' }],
  ['workspace', { cwd: '/tmp' }],
  ['environment', { env: { A: '1' } }],
  ['system prompt', { systemPrompt: 'x' }],
  ['output schema', { outputSchema: {} }],
])('a used process never serves another %s', async (_what, change) => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  await (await pool.acquire(spec, { signal: never })).release()
  const lease = await pool.acquire({ ...spec, ...change }, { signal: never })
  expect([lease.start, pidOf(lease)]).toEqual(['cold', 2])
  await pool.stop()
})

test.each([
  ['turns', { maxUses: 1 }, {}],
  ['memory', { maxBytes: 1_000 }, { bytes: () => 1_001 }],
  ['age', { maxAgeMs: 1 }, { steps: () => 1 }],
  ['idle', { idleMs: 1 }, {}],
  ['outdated', {}, { isCurrent: () => false }],
])('a process that has served is replaced by reason of its %s', async (reason, options, fakes) => {
  const sessions = fakeSessions(fakes)
  const pool = createSessionPool(sessions, { ...kept, ...options })
  const first = await pool.acquire(spec, { signal: never })
  await delay(2)
  await first.release()
  while (sessions.living.size > 0) await turnOfLoop()
  expect(pool.stats().destroyedBy).toEqual({ [reason]: 1 })
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'cold' })
  await pool.stop()
})

test('where all places are taken the one that has been idle longest yields its own, and its end is not waited for', async () => {
  const sessions = fakeSessions({ steps: () => 5 })
  const pool = createSessionPool(sessions, { ...kept, max: 2 })
  const leases = await Promise.all([
    pool.acquire({ ...spec, tenant: 'a' }, { signal: never }),
    pool.acquire({ ...spec, tenant: 'b' }, { signal: never }),
  ])
  for (const lease of leases) await lease.release()
  const third = pool.acquire({ ...spec, tenant: 'c' }, { signal: never })
  expect([...sessions.specs.values()].map(({ tenant }) => tenant)).toEqual(['a', 'b', 'c'])
  expect((await third).start).toBe('cold')
  expect(pool.stats()).toMatchObject({ destroyedBy: { room: 1 }, idle: 1 })
  expect(await pool.acquire({ ...spec, tenant: 'b' }, { signal: never })).toMatchObject({ start: 'reused' })
  await pool.stop()
})

test('drain rejects at once the acquire that waits for a reset, and keeps nothing', async () => {
  const sessions = fakeSessions({ steps: () => 20 })
  const pool = createSessionPool(sessions, kept)
  const lease = await pool.acquire(spec, { signal: never })
  const released = lease.release()
  const waiting = pool.acquire(spec, { signal: never })
  pool.drain()
  await expect(waiting).rejects.toMatchObject({ code: 'WORKER_LOST' })
  expect(sessions.living.size).toBe(1)
  await released
  await pool.stop()
  expect(sessions.living.size).toBe(0)
})

test('an acquire gives up after its timeout, and what was begun for it is left to the next', async () => {
  const pool = createSessionPool(fakeSessions(), { ...kept, max: 1 })
  const lease = await pool.acquire(spec, { signal: never })
  await expect(pool.acquire(spec, { signal: never, timeoutMs: 5 })).rejects.toMatchObject({ code: 'TIMEOUT' })
  await lease.release()
  expect(await pool.acquire(spec, { signal: never, timeoutMs: 1_000 })).toMatchObject({ start: 'reused' })
  await pool.stop()
})

test('a process that has served counts as ready: no spare is begun beside it', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, spares: 1, refillDelayMs: 30 })
  await (await pool.acquire(spec, { signal: never })).release()
  await delay(60)
  expect(sessions.specs.size).toBe(1)
  await pool.acquire(spec, { signal: never })
  await untilSpares(pool, 1)
  await pool.stop()
})
