import { expect, test } from 'vitest'
import { createClock } from './clock.js'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

test('more than 5 s off is wrong, in either direction, and is said once', () => {
  const changes: boolean[] = []
  const clock = createClock(quiet, (right) => changes.push(right))
  clock.seen(5_000)
  expect(clock.reason).toBeUndefined()
  clock.seen(5_001)
  clock.seen(120_000)
  expect(clock.reason).toBe('clock 120.0 s ahead of that of Redis')
  clock.seen(-6_500)
  expect(clock.reason).toBe('clock 6.5 s behind that of Redis')
  expect(changes).toEqual([false])
  clock.seen(0)
  expect(clock.reason).toBeUndefined()
  expect(changes).toEqual([false, true])
})
