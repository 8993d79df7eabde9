import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseApiKeys } from './api-keys.js'

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const parse = (text: string) => parseApiKeys('FLEET_API_KEYS', text)

test('entries are separated by commas or lines, and may be commented', () => {
  const keys = parse(
    `# ours\nacme:${hash('a').toUpperCase()}, beta:${hash('b')}:admin\n\n  gamma:${hash('c')}:read+enqueue`,
  )
  expect(keys).toEqual([
    { tenant: 'acme', sha256: hash('a'), scopes: new Set(['enqueue', 'read']) },
    { tenant: 'beta', sha256: hash('b'), scopes: new Set(['admin']) },
    { tenant: 'gamma', sha256: hash('c'), scopes: new Set(['read', 'enqueue']) },
  ])
})

test.each([
  ['a key in clear', `ok:${hash('o')},acme:my-secret-key`, 'entry 2'],
  ['an upper-case tenant', `Acme:${hash('my-secret-key')}`, 'entry 1'],
  ['a tenant that leaves its folder', `..:${hash('my-secret-key')}`, 'entry 1'],
  ['an unknown scope', `acme:${hash('my-secret-key')}:root`, 'entry 1'],
  ['an empty scope', `acme:${hash('my-secret-key')}:`, 'entry 1'],
  ['a fourth part', `acme:${hash('my-secret-key')}:read:x`, 'entry 1'],
  ['one key for two tenants', `acme:${hash('my-secret-key')},beta:${hash('my-secret-key')}`, 'entry 2'],
])('%s is refused by its place, not by its text', (_what, text, place) => {
  expect(() => parse(text)).toThrow(place)
  expect(() => parse(text)).not.toThrow(/my-secret-key|[0-9a-f]{64}/)
})
