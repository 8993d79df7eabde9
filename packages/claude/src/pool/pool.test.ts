import { setImmediate as turnOfLoop, setTimeout as delay } from 'node:timers/promises'
import { isFleetError } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import type { ClaudeSession, ExitFacts, Lease, SessionPool, SessionSpec } from '../types.js'
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
function fakeSessions(options: { steps?: () => number; fails?: () => boolean; isCurrent?: () => boolean } = {}) {
  const living = new Set<number>()
  const specs = new Map<number, SessionSpec>()
  const died = new Set<number | undefined>()
  const exits = new Map<number | undefined, (exit: ExitFacts) => void>()
  let pids = 0
  const wait = async (): Promise<void> => {
    for (let left = options.steps?.() ?? 0; left > 0; left -= 1) await turnOfLoop()
  }
  return {
    living,
    specs,
    died,
    die: (pid: number | undefined) => {
      const exit = exits.get(pid)
      if (exit === undefined) return
      died.add(pid)
      exit({ code: 1, signal: null, stderrTail: '' })
    },
    startSession: async (startedFor: SessionSpec, signal: AbortSignal): Promise<ClaudeSession> => {
      pids += 1
      const pid = pids
      living.add(pid)
      specs.set(pid, startedFor)
      await wait()
      if (signal.aborted || options.fails?.() === true) {
        living.delete(pid)
        signal.throwIfAborted()
        throw new Error('it does not start')
      }
      return {
        pid,
        version: '0',
        exited: new Promise((resolve) => exits.set(pid, resolve)),
        strays: async () => [],
        isCurrent: async () => options.isCurrent?.() ?? true,
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

const kept = { max: 1, spares: 1, idleMs: 60_000, refillDelayMs: 0 }

/** Resolves when as many spares are ready. */
async function untilSpares(pool: SessionPool, spares: number): Promise<void> {
  while (pool.stats().spares !== spares) await turnOfLoop()
}

test('after a lease a spare of the same spec is started, and the next acquire has it without a start', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  const first = await pool.acquire(spec, { signal: never })
  expect(first.start).toBe('cold')
  await untilSpares(pool, 1)
  await first.release()
  const second = await pool.acquire(spec, { signal: never })
  expect([second.start, pidOf(second)]).toEqual(['spare', 2])
  await pool.stop()
  expect(sessions.living.size).toBe(0)
  expect(pool.stats()).toMatchObject({ cold: 1, spare: 1, destroyedBy: { used: 1 } })
})

const others: [string, Partial<SessionSpec>][] = [
  ['tenant', { tenant: 'other' }],
  ['workspace', { cwd: '/tmp' }],
  ['home', { home: '/tmp' }],
  ['credential', { credential: 'other' }],
  ['environment', { env: { A: '1' } }],
  ['trust', { trustWorkspace: true }],
  ['permission mode', { permissionMode: 'plan' }],
  ['model', { model: 'x' }],
  ['allowed tools', { allowedTools: ['Bash'] }],
  ['disallowed tools', { disallowedTools: ['Bash'] }],
  ['system prompt', { systemPrompt: 'x' }],
  ['appended system prompt', { appendSystemPrompt: 'x' }],
  ['output schema', { outputSchema: {} }],
]
test.each(others)('a spare is never given to another %s, which gets its place instead', async (_what, change) => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  const first = await pool.acquire(spec, { signal: never })
  await untilSpares(pool, 1)
  await first.release()
  const lease = await pool.acquire({ ...spec, ...change }, { signal: never })
  expect(lease.start).toBe('cold')
  expect(sessions.specs.get(pidOf(lease))).toEqual({ ...spec, ...change })
  await pool.stop()
})

test('a spare goes when it has waited too long, and none is kept for a spec that is not used any more', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, idleMs: 30 })
  await (await pool.acquire(spec, { signal: never })).release()
  await untilSpares(pool, 1)
  await untilSpares(pool, 0)
  while (sessions.living.size > 0) await turnOfLoop()
  await delay(10)
  expect(sessions.living.size).toBe(0)
  expect(pool.stats().destroyedBy).toEqual({ used: 1, idle: 1 })
  await pool.stop()
})

test.each([
  ['no spares', { spares: 0 }],
  ['no idle time', { idleMs: 0 }],
])('with %s nothing is kept', async (_what, off) => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, ...off })
  for (let job = 0; job < 3; job += 1) await (await pool.acquire(spec, { signal: never })).release()
  await delay(10)
  expect(sessions.living.size).toBe(0)
  expect(pool.stats()).toMatchObject({ created: 3, cold: 3 })
  await pool.stop()
})

test('a spare whose claude or folder was replaced, or that died, is not handed out; the acquire gets a start', async () => {
  let current = true
  const sessions = fakeSessions({ isCurrent: () => current })
  const lost: unknown[] = []
  const pool = createSessionPool({ ...sessions, onSpareLost: (error) => lost.push(error) }, kept)
  const first = await pool.acquire(spec, { signal: never })
  await untilSpares(pool, 1)
  await first.release()
  current = false
  const second = await pool.acquire(spec, { signal: never })
  expect(second.start).toBe('cold')
  await untilSpares(pool, 1)
  sessions.die([...sessions.living].find((pid) => pid !== pidOf(second)))
  await untilSpares(pool, 0)
  await second.release()
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'cold' })
  expect(pool.stats().destroyedBy).toMatchObject({ outdated: 1, died: 1 })
  expect(lost).toMatchObject([{ code: 'PROCESS_CRASHED' }])
  await pool.stop()
})

test('a spare that cannot be started fails no acquire, not even one that waits for it, and is tried later', async () => {
  let starts = 0
  const lost: unknown[] = []
  const sessions = fakeSessions({ steps: () => 3, fails: () => (starts += 1) === 2 })
  const pool = createSessionPool({ ...sessions, onSpareLost: (error) => lost.push(error) }, { ...kept, max: 2 })
  await pool.acquire(spec, { signal: never })
  while (sessions.specs.size < 2) await turnOfLoop()
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'cold' })
  expect(lost).toMatchObject([{ message: 'it does not start' }])
  await delay(20)
  expect(sessions.specs.size).toBe(3)
  await untilSpares(pool, 1)
  await pool.stop()
})

test('no spare is begun while an acquire waits or a process is started for one', async () => {
  const sessions = fakeSessions({ steps: () => 5 })
  const pool = createSessionPool(sessions, kept)
  const first = await pool.acquire(spec, { signal: never })
  const waiting = pool.acquire({ ...spec, tenant: 'other' }, { signal: never })
  await delay(20)
  expect(sessions.specs.size).toBe(1)
  await first.release()
  while (sessions.specs.size < 2) await turnOfLoop()
  expect(sessions.specs.get(2)).toMatchObject({ tenant: 'other' })
  expect((await waiting).start).toBe('cold')
  await pool.stop()
})

test('500 random steps keep every promise of the pool', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const random = mulberry32(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const max = 3
  const spares = 2
  const sessions = fakeSessions({
    steps: () => below(4),
    fails: () => random() < 0.05,
    isCurrent: () => random() < 0.9,
  })
  const pool: SessionPool = createSessionPool(sessions, {
    max,
    spares,
    idleMs: 20,
    parallelStarts: 2,
    refillDelayMs: 0,
  })
  const leases: Lease[] = []
  const asked: { abort: AbortController; settled: Promise<void> }[] = []

  for (let step = 0; step < 500; step += 1) {
    const choice = below(10)
    if (choice < 3 && pool.stats().waiting < 3) {
      const abort = new AbortController()
      const wanted = { ...spec, tenant: `t${below(3)}` }
      const settled = pool.acquire(wanted, { signal: abort.signal }).then(
        (lease) => {
          expect(sessions.specs.get(pidOf(lease)), `seed ${seed}`).toEqual(wanted)
          expect(sessions.died.has(pidOf(lease)), `seed ${seed}`).toBe(false)
          leases.push(lease)
        },
        (error: unknown) =>
          expect(isFleetError(error) ? error.code : error, `seed ${seed}`).toSatisfy(
            (why) => why === 'SPAWN_FAILED' || why === 'given up',
          ),
      )
      asked.push({ abort, settled })
    } else if (choice < 4) asked[below(asked.length)]?.abort.abort('given up')
    else if (choice < 7) {
      const lease = leases.splice(below(leases.length), 1)[0]
      void (random() < 0.5 ? lease?.release() : lease?.discard())
    } else if (choice < 8) await turnOfLoop()
    else {
      const leased = new Set(leases.map(pidOf))
      const idle = [...sessions.living].filter((pid) => !leased.has(pid))
      if (choice === 8 && pool.stats().leased === leases.length) sessions.die(idle[below(idle.length)])
      await delay(1)
    }

    const stats = pool.stats()
    expect(sessions.living.size, `seed ${seed}, step ${step}`).toBeLessThanOrEqual(max + spares)
    expect(stats.leased).toBeLessThanOrEqual(max)
    expect(stats.spares).toBeLessThanOrEqual(spares)
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
  expect(Object.values(pool.stats().destroyedBy).reduce((sum, n) => sum + n, 0)).toBe(destroyed)
  expect(pool.stats().spare, 'no spare was ever used').toBeGreaterThan(0)
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
