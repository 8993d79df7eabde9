import { expect, test } from 'vitest'
import { backoffDelayMs } from './backoff.js'

const exponential = { type: 'exponential', delayMs: 1_000, maxDelayMs: 60_000, jitter: 0 } as const

test('exponential doubles from delayMs and stops at maxDelayMs', () => {
  const delays = [1, 2, 3, 7, 1_000].map((failures) => backoffDelayMs(exponential, failures, () => 1))
  expect(delays).toEqual([1_000, 2_000, 4_000, 60_000, 60_000])
})

test('fixed keeps delayMs', () => {
  expect(backoffDelayMs({ ...exponential, type: 'fixed' }, 9, () => 1)).toBe(1_000)
})

test('jitter takes its share away at random, and never more', () => {
  const jittered = { ...exponential, jitter: 0.5 }
  expect([0, 0.5, 1].map((random) => backoffDelayMs(jittered, 1, () => random))).toEqual([1_000, 750, 500])
})
