import { expect, test } from 'vitest'
import { parseTenants, type TenantLimits } from './tenants.js'

test('limits of tenants are read by name, and * stands for the others', () => {
  const limits = { weight: 2, maxQueued: 0, maxConcurrent: 4, requestsPerMinute: 60, dailyUsd: 0.5 }
  expect(parseTenants(JSON.stringify({ acme: limits, '*': {} }))).toEqual(
    new Map<string, TenantLimits>([
      ['acme', limits],
      ['*', {}],
    ]),
  )
})

test.each([
  ['{', 'is not JSON'],
  ['[]', 'expected record'],
  ['{"acme": {"maxQueued": -1}}', 'acme.maxQueued is below 0'],
  ['{"acme": {"maxQueued": 1.5}}', 'acme.maxQueued is not a whole number'],
  ['{"acme": {"weight": 0}}', 'acme.weight is below 0.01'],
  ['{"acme": {"dailyUsd": "5"}}', 'acme.dailyUsd is not a number'],
  ['{"acme": {"dailyusd": 5}}', 'dailyusd'],
  ['{"Acme!": {}}', '"Acme!" is neither a tenant name nor *'],
  ['{"__proto__": {}}', '__proto__'],
])('%s is refused: %s', (text, message) => {
  expect(() => parseTenants(text)).toThrow(`FLEET_TENANTS_FILE: `)
  expect(() => parseTenants(text)).toThrow(message)
})
