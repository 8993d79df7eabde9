import { expect, test } from 'vitest'
import { createPatience } from './patience.js'

function clock(silenceMs: number) {
  let now = 0
  const patience = createPatience({ silenceMs, maxGapMs: 1_000, now: () => now })
  return { patience, after: (ms: number) => ((now += ms), patience.tick()) }
}

test('patience ends after its time of silence, lasts with every sign of life, and begins anew after its end', () => {
  const { patience, after } = clock(1_000)
  expect([after(500), after(499)]).toEqual([false, false])
  patience.renew()
  expect([after(999), after(1), after(1)]).toEqual([false, true, true])
  patience.renew()
  expect(after(999)).toBe(false)
})

test('time in which the listener itself stood still is not silence of the other', () => {
  const { patience, after } = clock(10_000)
  expect(after(8_000)).toBe(false)
  // The machine slept for an hour.
  expect(after(3_600_000)).toBe(false)
  patience.renew()
  expect(after(1_000)).toBe(false)
})
