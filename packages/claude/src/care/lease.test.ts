import { expect, test } from 'vitest'
import { createLease } from './lease.js'

function clock(leaseMs: number) {
  let now = 0
  const lease = createLease({ leaseMs, maxGapMs: 1_000, now: () => now })
  return { lease, after: (ms: number) => ((now += ms), lease.tick()) }
}

test('a lease ends after its time of silence, lasts with every sign of life, and begins anew after its end', () => {
  const { lease, after } = clock(1_000)
  expect([after(500), after(499)]).toEqual([false, false])
  lease.renew()
  expect([after(999), after(1), after(1)]).toEqual([false, true, true])
  lease.renew()
  expect(after(999)).toBe(false)
})

test('time in which the listener itself stood still is not silence of the other', () => {
  const { lease, after } = clock(10_000)
  expect(after(8_000)).toBe(false)
  // The machine slept for an hour.
  expect(after(3_600_000)).toBe(false)
  lease.renew()
  expect(after(1_000)).toBe(false)
})
