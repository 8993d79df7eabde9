import { setImmediate as turnOfLoop, setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fakeSessions, never, pidOf, spec, untilSpares } from '../testing/sessions.js'
import type { SessionSpec } from '../types.js'
import { createSessionPool } from './pool.js'

const kept = { max: 1, spares: 1, idleMs: 60_000, refillDelayMs: 0 }

test('after a lease a spare of the same spec is started, and the next acquire has it without a start', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  const first = await pool.acquire(spec, { signal: never })
  expect(first.start).toBe('cold')
  await untilSpares(pool, 1)
  await first.discard()
  const second = await pool.acquire(spec, { signal: never })
  expect([second.start, pidOf(second)]).toEqual(['spare', 2])
  await pool.stop()
  expect(sessions.living.size).toBe(0)
  expect(pool.stats()).toMatchObject({ cold: 1, spare: 1, destroyedBy: { discarded: 1 } })
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
  await (await pool.acquire(spec, { signal: never })).discard()
  await untilSpares(pool, 1)
  await untilSpares(pool, 0)
  while (sessions.living.size > 0) await turnOfLoop()
  await delay(10)
  expect(sessions.living.size).toBe(0)
  expect(pool.stats().destroyedBy).toEqual({ discarded: 1, idle: 1 })
  await pool.stop()
})

test('without idle time nothing is kept', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, idleMs: 0 })
  for (let job = 0; job < 3; job += 1) await (await pool.acquire(spec, { signal: never })).release()
  await delay(10)
  expect(sessions.living.size).toBe(0)
  expect(pool.stats()).toMatchObject({ created: 3, cold: 3, destroyedBy: { used: 3 } })
  await pool.stop()
})

test('a spare whose claude or folder was replaced, or that died, is not handed out; the acquire gets a start', async () => {
  let current = true
  const sessions = fakeSessions({ isCurrent: () => current })
  const lost: unknown[] = []
  const pool = createSessionPool({ ...sessions, onSpareLost: (error) => lost.push(error) }, kept)
  const first = await pool.acquire(spec, { signal: never })
  await untilSpares(pool, 1)
  await first.discard()
  current = false
  const second = await pool.acquire(spec, { signal: never })
  expect(second.start).toBe('cold')
  await untilSpares(pool, 1)
  sessions.die([...sessions.living].find((pid) => pid !== pidOf(second)))
  await untilSpares(pool, 0)
  await second.discard()
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

test('where every job has a spec of its own no spare is begun for them, and what is used again keeps its place', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, spares: 2 })
  const job = async (tenant: string): Promise<string> => {
    const lease = await pool.acquire({ ...spec, tenant }, { signal: never })
    await lease.release()
    return lease.start
  }
  await job('again')
  await job('again')
  for (let tenant = 0; tenant < 8; tenant += 1) await job(`single ${tenant}`)
  const begun = sessions.specs.size
  for (let tenant = 8; tenant < 12; tenant += 1) {
    await job(`single ${tenant}`)
    await delay(5)
  }
  expect(sessions.specs.size).toBe(begun + 4)
  expect(await job('again')).toBe('reused')
  await pool.stop()
})
