import { expect, test } from 'vitest'
import { egressHosts, parseEgressHost } from './egress-hosts.js'

test('an entry is a host, for all tenants or for one, at 443 or at its port', () => {
  expect(egressHosts.parse('registry.npmjs.org, acme=*.Acme.example:8443,10.1.2.3:80,')).toEqual([
    { tenant: undefined, host: 'registry.npmjs.org', port: 443 },
    { tenant: 'acme', host: '*.acme.example', port: 8443 },
    { tenant: undefined, host: '10.1.2.3', port: 80 },
  ])
})

test.each([
  'https://a.example',
  'a.example/path',
  '*',
  '*.*.example',
  'a.*.example',
  'a..example',
  '-a.example',
  'user@a.example',
  'a.example:0',
  'a.example:65536',
  'Acme!=a.example',
  '=a.example',
  'a=b=c.example',
  '127.1',
  '1.2.3.256',
  '2130706433',
  '[::1]:443',
  'a.example.',
  'a b',
])('%s is refused, and named', (entry) => {
  expect(parseEgressHost(entry)).toBeUndefined()
  expect(egressHosts.safeParse(entry).error?.issues[0]?.message).toBe(
    `has ${JSON.stringify(entry)}, which is not [TENANT=]HOST[:PORT]`,
  )
})
