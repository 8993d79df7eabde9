import { setImmediate as turnOfLoop } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fakeSessions, never, pidOf, spec } from '../testing/sessions.js'
import type { SessionSpec } from '../types.js'
import { createSessionPool } from './pool.js'

const kept = { max: 1, spares: 1, idleMs: 60_000, refillDelayMs: 0 }

function at(id: string, revision: string): SessionSpec {
  const load = () => Promise.reject(new Error('not in this test'))
  return { ...spec, conversation: { id, revision, interrupted: false, load } }
}

test('a process that is kept serves its conversation as far as it has come, and nobody else', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, kept)
  const first = await pool.acquire(spec, { signal: never })
  await first.keep({ id: 's1', revision: '1' })
  expect([pool.hasConversation('s1'), pool.hasConversation('s2')]).toEqual([true, false])

  const other = await pool.acquire(spec, { signal: never })
  expect(pidOf(other)).not.toBe(pidOf(first))
  await other.discard()
  const second = await pool.acquire(at('s1', '1'), { signal: never })
  expect([second.start, pidOf(second), pool.hasConversation('s1')]).toEqual(['reused', pidOf(first), false])
  await second.keep({ id: 's1', revision: '2' })

  // Somebody else went on with it meanwhile: what is here is behind.
  const ahead = await pool.acquire(at('s1', '3'), { signal: never })
  expect([ahead.start, pidOf(ahead) === pidOf(first)]).toEqual(['cold', false])
  await ahead.discard()
  await pool.stop()
  expect(sessions.living.size).toBe(0)
})

test('the next turn of a conversation that comes while its process is looked at has it', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, spares: 0 })
  const first = await pool.acquire(spec, { signal: never })
  void first.keep({ id: 's1', revision: '1' })
  expect(pidOf(await pool.acquire(at('s1', '1'), { signal: never }))).toBe(pidOf(first))
  await pool.stop()
})

test('a kept process gives its place to a job that has none', async () => {
  const sessions = fakeSessions()
  const pool = createSessionPool(sessions, { ...kept, spares: 0 })
  await (await pool.acquire(spec, { signal: never })).keep({ id: 's1', revision: '1' })
  expect(await pool.acquire(spec, { signal: never })).toMatchObject({ start: 'cold' })
  expect(pool.hasConversation('s1')).toBe(false)
  await pool.stop()
})

test('a process whose conversation cannot be gone on with is ended', async () => {
  const told: string[] = []
  const sessions = fakeSessions({ notReusable: () => 'something it started still runs' })
  const pool = createSessionPool({ ...sessions, onNotReusable: (why) => told.push(why) }, kept)
  await (await pool.acquire(spec, { signal: never })).keep({ id: 's1', revision: '1' })
  expect([pool.hasConversation('s1'), told]).toEqual([false, ['something it started still runs']])
  while (pool.stats().destroyed === 0) await turnOfLoop()
  expect(pool.stats().destroyedBy).toEqual({ not_reusable: 1 })
  await pool.stop()
})

test('a process that was resumed for an attempt is not kept without it, given up or released', async () => {
  const sessions = fakeSessions({ steps: () => 3 })
  const pool = createSessionPool(sessions, kept)
  const abort = new AbortController()
  const given = pool.acquire(at('s1', '1'), { signal: abort.signal })
  abort.abort('given up')
  await expect(given).rejects.toBe('given up')
  while (sessions.living.size > 0) await turnOfLoop()
  await (await pool.acquire(at('s1', '1'), { signal: never })).release()
  expect([pool.hasConversation('s1'), sessions.living.size]).toEqual([false, 0])
  // Nor is a spare begun for it.
  for (let turns = 0; turns < 20; turns += 1) await turnOfLoop()
  expect(pool.stats()).toMatchObject({ created: 1, spares: 0 })
  await pool.stop()
})
