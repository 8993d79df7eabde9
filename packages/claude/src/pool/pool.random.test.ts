import { setImmediate as turnOfLoop, setTimeout as delay } from 'node:timers/promises'
import { isFleetError } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { fakeSessions, pidOf, spec } from '../testing/sessions.js'
import type { Lease, SessionPool } from '../types.js'
import { createSessionPool } from './pool.js'

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
    notReusable: () => (random() < 0.5 ? 'not proven' : undefined),
    bytes: () => below(11),
  })
  const pool: SessionPool = createSessionPool(sessions, {
    max,
    spares,
    idleMs: 40,
    parallelStarts: 2,
    refillDelayMs: 0,
    maxUses: 4,
    maxBytes: 9,
  })
  const leases: Lease[] = []
  const served = new Set<number>()
  const asked: { abort: AbortController; settled: Promise<void> }[] = []

  for (let step = 0; step < 500; step += 1) {
    const choice = below(10)
    if (choice < 3 && pool.stats().waiting < 3) {
      const abort = new AbortController()
      const wanted = { ...spec, tenant: `t${below(3)}` }
      const settled = pool.acquire(wanted, { signal: abort.signal, timeoutMs: random() < 0.1 ? 1 : undefined }).then(
        (lease) => {
          expect(sessions.specs.get(pidOf(lease)), `seed ${seed}`).toEqual(wanted)
          expect(sessions.died.has(pidOf(lease)), `seed ${seed}`).toBe(false)
          if (lease.start === 'reused') expect(served.has(pidOf(lease)), `seed ${seed}`).toBe(true)
          else expect(served.has(pidOf(lease)), `seed ${seed}`).toBe(false)
          served.add(pidOf(lease))
          leases.push(lease)
        },
        (error: unknown) =>
          expect(isFleetError(error) ? error.code : error, `seed ${seed}`).toSatisfy((why) =>
            ['SPAWN_FAILED', 'given up', 'TIMEOUT'].includes(String(why)),
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
    expect(sessions.living.size, `seed ${seed}, step ${step}`).toBeLessThanOrEqual(max + spares + 1)
    // Beside what takes a place there is at most one that has yielded its own and is about to end.
    expect(stats.leased + stats.spares + stats.idle).toBeLessThanOrEqual(max + spares)
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
  expect(pool.stats().reused, 'no process ever served twice').toBeGreaterThan(0)
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
