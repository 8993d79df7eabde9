import { expect, test } from 'vitest'
import { fakeSessions, never, pidOf, spec } from '../testing/sessions.js'
import { createSessionPool } from './pool.js'

test('starts a session for each acquire up to max, then serves in the order they asked', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { max: 2 })
  const first = await pool.acquire(spec, { signal: never })
  await pool.acquire(spec, { signal: never })
  const order: string[] = []
  const third = pool.acquire(spec, { signal: never }).then((lease) => (order.push('third'), lease))
  const fourth = pool.acquire(spec, { signal: never }).then((lease) => (order.push('fourth'), lease))
  expect(pool.stats()).toMatchObject({ leased: 2, waiting: 2, created: 2, cold: 2 })

  await first.release()
  expect(pidOf(await third)).toBe(3)
  await (await third).release()
  expect(pidOf(await fourth)).toBe(4)
  expect(order).toEqual(['third', 'fourth'])
  await pool.stop()
  expect(sessions.living.size).toBe(0)
})

test('a lease is given back once: a second time throws, and disposing after it does nothing', async () => {
  const pool = createSessionPool(fakeSessions(), { max: 1 })
  const lease = await pool.acquire(spec, { signal: never })
  await lease.release()
  await expect(lease.release()).rejects.toThrow('already given back')
  await expect(lease.discard()).rejects.toThrow('already given back')
  await lease[Symbol.asyncDispose]()
  expect(pool.stats()).toMatchObject({ destroyed: 1, leased: 0 })
  await pool.stop()
})

test('a lease that is left undisposed in its scope is discarded', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { max: 1 })
  {
    await using lease = await pool.acquire(spec, { signal: never })
    expect(sessions.living).toEqual(new Set([pidOf(lease)]))
  }
  expect(sessions.living.size).toBe(0)
  await pool.stop()
})

test('an aborted acquire rejects with the reason, whether it waits or its session is starting', async () => {
  const sessions = fakeSessions({ steps: () => 3 })
  const pool = createSessionPool(sessions, { max: 1 })
  const reason = new Error('cancelled')
  const starting = new AbortController()
  const waiting = new AbortController()
  const first = pool.acquire(spec, { signal: starting.signal })
  const second = pool.acquire(spec, { signal: waiting.signal })
  waiting.abort(reason)
  await expect(second).rejects.toBe(reason)
  starting.abort(reason)
  await expect(first).rejects.toBe(reason)
  await expect(pool.acquire(spec, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'cold' })
  await pool.stop()
  expect(sessions.living.size).toBe(0)
})

test('a start that fails rejects its own acquire and leaves the place to the next', async () => {
  let starts = 0
  const pool = createSessionPool(fakeSessions({ fails: () => (starts += 1) === 1 }), { max: 1 })
  const failing = pool.acquire(spec, { signal: never })
  const next = pool.acquire(spec, { signal: never })
  await expect(failing).rejects.toMatchObject({ code: 'SPAWN_FAILED' })
  await (await next).release()
  await pool.stop()
})

test('drain refuses what waits and what comes, and lets leases finish', async () => {
  const pool = createSessionPool(fakeSessions(), { max: 1 })
  const lease = await pool.acquire(spec, { signal: never })
  const waiting = pool.acquire(spec, { signal: never })
  pool.drain()
  await expect(waiting).rejects.toMatchObject({ code: 'WORKER_LOST' })
  await expect(pool.acquire(spec, { signal: never })).rejects.toMatchObject({ code: 'WORKER_LOST' })
  expect(pool.stats().leased).toBe(1)
  await lease.release()
  await pool.stop()
})

test('stop ends what is leased, and giving it back afterwards is no error', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { max: 1 })
  const lease = await pool.acquire(spec, { signal: never })
  await pool.stop()
  expect(sessions.living.size).toBe(0)
  await lease.release()
  expect(pool.stats()).toMatchObject({ destroyed: 1, leased: 0 })
})

test('a process that cannot be ended keeps its place and is reported', async () => {
  const leaks: unknown[] = []
  const broken = new Error('lives on')
  const { startSession } = fakeSessions()
  const pool = createSessionPool(
    {
      startSession: async (...args) => ({ ...(await startSession(...args)), close: () => Promise.reject(broken) }),
      onLeak: (error) => leaks.push(error),
    },
    { max: 1 },
  )
  const lease = await pool.acquire(spec, { signal: never })
  await expect(lease.discard()).rejects.toBe(broken)
  expect(leaks).toEqual([broken])
  const late = new AbortController()
  const next = pool.acquire(spec, { signal: late.signal })
  expect(pool.stats().waiting).toBe(1)
  late.abort(new Error('no longer'))
  await expect(next).rejects.toThrow('no longer')
  await expect(pool.stop()).rejects.toBe(broken)
})
