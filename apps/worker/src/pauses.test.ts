import { expect, test } from 'vitest'
import { createPauses } from './pauses.js'

test('claiming stops with the first reason and goes on when the last has gone', () => {
  const changes: boolean[] = []
  const pauses = createPauses((paused) => changes.push(paused))
  expect(pauses.reason).toBeUndefined()
  pauses.set('clock', 'clock is wrong')
  pauses.set('clock', 'clock is very wrong')
  pauses.set('claude', 'claude was changed')
  expect(pauses.reason).toBe('clock is very wrong; claude was changed')
  pauses.set('clock', undefined)
  pauses.set('clock', undefined)
  expect(changes).toEqual([true])
  pauses.set('claude', undefined)
  expect(pauses.reason).toBeUndefined()
  expect(changes).toEqual([true, false])
})
