import { setImmediate as turnOfLoop } from 'node:timers/promises'
import { isFleetError } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import type { ClaudeSession, Lease, SessionPool, SessionSpec } from '../types.js'
import { createSessionPool } from './pool.js'

const spec: SessionSpec = {
  tenant: 't',
  cwd: '/',
  home: '/',
  credential: 'default',
  env: {},
  permissionMode: 'dontAsk',
  trustWorkspace: false,
}

const never = new AbortController().signal

/** Sessions that are only counted. `living` are started and not closed, those still starting included. */
function fakeSessions(options: { steps?: () => number; fails?: () => boolean } = {}) {
  const living = new Set<number>()
  let pids = 0
  const wait = async (): Promise<void> => {
    for (let left = options.steps?.() ?? 0; left > 0; left -= 1) await turnOfLoop()
  }
  return {
    living,
    startSession: async (_spec: SessionSpec, signal: AbortSignal): Promise<ClaudeSession> => {
      pids += 1
      const pid = pids
      living.add(pid)
      await wait()
      if (signal.aborted || options.fails?.() === true) {
        living.delete(pid)
        signal.throwIfAborted()
        throw new Error('it does not start')
      }
      return {
        pid,
        version: '0',
        exited: new Promise(() => undefined),
        strays: async () => [],
        turn: () => {
          throw new Error('not in this test')
        },
        suspend: async () => {},
        resume: () => {},
        close: async () => {
          await wait()
          living.delete(pid)
        },
      }
    },
  }
}

const pidOf = (lease: Lease): number => lease.session.pid

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

test('500 random steps keep every promise of the pool', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const random = mulberry32(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const max = 3
  const sessions = fakeSessions({ steps: () => below(4), fails: () => random() < 0.1 })
  const pool: SessionPool = createSessionPool(sessions, { max })
  const leases: Lease[] = []
  const asked: { abort: AbortController; settled: Promise<void> }[] = []

  for (let step = 0; step < 500; step += 1) {
    const choice = below(10)
    if (choice < 4) {
      const abort = new AbortController()
      const settled = pool.acquire(spec, { signal: abort.signal }).then(
        (lease) => void leases.push(lease),
        (error: unknown) =>
          expect(isFleetError(error) ? error.code : error, `seed ${seed}`).toSatisfy(
            (why) => why === 'SPAWN_FAILED' || why === 'given up',
          ),
      )
      asked.push({ abort, settled })
    } else if (choice < 5) asked[below(asked.length)]?.abort.abort('given up')
    else if (choice < 8) {
      const lease = leases.splice(below(leases.length), 1)[0]
      void (random() < 0.5 ? lease?.release() : lease?.discard())
    } else await turnOfLoop()

    const stats = pool.stats()
    expect(sessions.living.size, `seed ${seed}, step ${step}`).toBeLessThanOrEqual(max)
    expect(new Set(leases.map(pidOf)).size).toBe(leases.length)
    expect(stats.leased).toBeGreaterThanOrEqual(leases.length)
    if (stats.waiting > 0) expect(sessions.living.size).toBeGreaterThan(0)
  }

  for (const { abort } of asked) abort.abort('given up')
  await Promise.all(asked.map(({ settled }) => settled))
  await pool.stop()
  await pool.stop()
  expect(sessions.living.size, `seed ${seed}`).toBe(0)
  const { created, destroyed, leased, waiting } = pool.stats()
  expect({ leased, waiting, left: created - destroyed }).toEqual({ leased: 0, waiting: 0, left: 0 })
})

/** A small seeded generator, so that a failure can be run again. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
