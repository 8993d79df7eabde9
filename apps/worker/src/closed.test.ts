import { expect, test } from 'vitest'
import { allClosed } from './closed.js'

test('a worker pauses when the last of its credentials cannot be used, and says until when', () => {
  const one = new Map([['default', 60_000]])
  expect(allClosed(['default', 'team'], one)).toBeUndefined()
  expect(allClosed(['default'], new Map())).toBeUndefined()
  expect(allClosed(['default'], one)).toBe('parked by a usage limit: default until 1970-01-01T00:01:00.000Z')
  expect(allClosed(['default', 'team'], new Map([...one, ['team', 0]]))).toBe(
    'parked by a usage limit: default until 1970-01-01T00:01:00.000Z; refused by the API until resumed: team',
  )
})
