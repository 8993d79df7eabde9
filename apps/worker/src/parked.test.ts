import { expect, test } from 'vitest'
import { allParked } from './parked.js'

test('a worker pauses when the last of its credentials is parked, and says until when', () => {
  const one = new Map([['default', 0]])
  expect(allParked(['default', 'team'], one)).toBeUndefined()
  expect(allParked(['default'], new Map())).toBeUndefined()
  expect(allParked(['default'], one)).toBe('parked by a usage limit: default until 1970-01-01T00:00:00.000Z')
})
