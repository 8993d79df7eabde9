import { expect, test } from 'vitest'
import { createClock } from './clock.js'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

test.each([
  [120_000, 'clock 120.0 s ahead of that of Redis'],
  [-6_500, 'clock 6.5 s behind that of Redis'],
])('a clock that is %i ms off is wrong, and is said once', (offMs, reason) => {
  const changes: (string | undefined)[] = []
  const clock = createClock(quiet, (change) => changes.push(change))
  for (const off of [0, 5_000, offMs, 5_001, -5_001, -5_000, 0]) clock.seen(off)
  expect(changes).toEqual([reason, undefined])
})
