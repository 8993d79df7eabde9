import { expect, test } from 'vitest'
import { ERROR_GUIDE } from './error-guide.js'
import {
  API_ERROR_CODES,
  FleetError,
  HTTP_STATUSES,
  isFleetError,
  isRetryable,
  JOB_ERROR_CODES,
  RETRY_DECISIONS,
} from './errors.js'

test('the tables hold each code once, and nothing else', () => {
  expect(Object.keys(RETRY_DECISIONS).sort()).toEqual([...JOB_ERROR_CODES].sort())
  expect(Object.keys(HTTP_STATUSES).sort()).toEqual([...JOB_ERROR_CODES, ...API_ERROR_CODES].sort())
  expect(Object.keys(ERROR_GUIDE).sort()).toEqual(Object.keys(HTTP_STATUSES).sort())
  expect(Object.values(HTTP_STATUSES).filter((status) => status < 400 || status > 599)).toEqual([])
})

test('what cannot heal by itself is not paid for twice', () => {
  const hopeless = [
    'AUTH_FAILED',
    'INSUFFICIENT_CREDITS',
    'INVALID_REQUEST',
    'REFUSED',
    'MAX_BUDGET',
    'CANCELLED',
  ] as const
  expect(hopeless.map((code) => RETRY_DECISIONS[code])).toEqual(hopeless.map(() => 'fail'))
  expect(JOB_ERROR_CODES.filter((code) => RETRY_DECISIONS[code] === 'park')).toEqual(['USAGE_LIMIT'])
})

test('a caller is told to try again exactly where it may help', () => {
  expect(isRetryable('OVERLOADED')).toBe(true)
  expect(isRetryable('USAGE_LIMIT')).toBe(true)
  expect(isRetryable('UNAVAILABLE')).toBe(true)
  expect(isRetryable('AUTH_FAILED')).toBe(false)
  expect(isRetryable('NOT_FOUND')).toBe(false)
})

test('an error keeps its cause and its facts, and is known again without its class', () => {
  const cause = new Error('why')
  const error = new FleetError('NETWORK', 'no answer', { cause, jobId: 'j', attempt: 2, details: { port: 1 } })
  expect(error).toMatchObject({ code: 'NETWORK', retryable: true, jobId: 'j', attempt: 2, details: { port: 1 }, cause })
  expect(new FleetError('NETWORK', 'x', { retryable: false }).retryable).toBe(false)
  expect(isFleetError(error)).toBe(true)
  expect(isFleetError(Object.assign(new Error('x'), { name: 'FleetError', code: 'NETWORK' }))).toBe(true)
  expect([null, 'NETWORK', { name: 'FleetError', code: 'NETWORK' }, cause].filter(isFleetError)).toEqual([])
})
