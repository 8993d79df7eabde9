import { expect, test } from 'vitest'
import { canonicalJson, findJsonFault } from './json.js'
import { LIMITS } from './limits.js'

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))

test('keys that reach a prototype are found wherever they are', () => {
  expect(findJsonFault(JSON.parse('{"__proto__": {"admin": true}}'))?.path).toBe('__proto__')
  expect(findJsonFault(JSON.parse('{"a": [{"constructor": 1}]}'))?.path).toBe('a.0.constructor')
  expect(findJsonFault({ a: { prototype: null } })?.path).toBe('a.prototype')
})

test('nesting is allowed to its limit; past it, far past it too, it is a fault and no overflow', () => {
  expect(findJsonFault(nested(LIMITS.jsonDepth))).toBeUndefined()
  expect(findJsonFault(nested(LIMITS.jsonDepth + 1))?.message).toContain('nested deeper')
  expect(findJsonFault(nested(200_000))?.message).toContain('nested deeper')
})

test.each([null, 1, 'x', [], {}, { a: [1, { b: null }] }])('%j has no fault', (value) => {
  expect(findJsonFault(value)).toBeUndefined()
})

test('equal values have one text, whatever the order of their keys', () => {
  expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe(canonicalJson({ a: null, b: [{ c: 2, d: 1 }] }))
  expect(canonicalJson({ a: [1, 2] })).not.toBe(canonicalJson({ a: [2, 1] }))
  expect(canonicalJson({ a: 1 })).not.toBe(canonicalJson({ a: '1' }))
})
