import { parseEgressHost, type EgressHost } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { createHostList, permits } from './hosts.js'

const entry = (text: string): EgressHost => parseEgressHost(text) ?? { tenant: undefined, host: '', port: 0 }

test('a host is found by its whole name, its port and its tenant, and names below *. by their end', () => {
  const list = createHostList(['a.example', 'acme=b.example:8443', '*.c.example', '10.1.2.3'].map(entry))
  const found = (tenant: string, host: string, port = 443) => list.find(tenant, host, port)?.host
  expect([found('acme', 'A.Example.'), found('other', 'a.example'), found('acme', 'b.example', 8443)]).toEqual([
    'a.example',
    'a.example',
    'b.example',
  ])
  expect([found('x', 'd.c.example'), found('x', 'e.d.c.example'), found('x', '10.1.2.3')]).toEqual([
    '*.c.example',
    '*.c.example',
    '10.1.2.3',
  ])
  for (const [tenant, host, port] of [
    ['other', 'b.example', 8443],
    ['acme', 'b.example', 443],
    ['acme', 'a.example', 80],
    ['acme', 'xa.example', 443],
    ['acme', 'a.example.evil', 443],
    ['acme', 'c.example', 443],
    ['acme', '.c.example', 443],
    ['acme', 'xc.example', 443],
    ['acme', '', 443],
    ['acme', '10.1.2.30', 443],
  ] as const) {
    expect([host, found(tenant, host, port)]).toEqual([host, undefined])
  }
})

test('a name may stand for a private address if it was listed itself, and never for this host, its link or none', () => {
  const never = [
    '127.0.0.1',
    '::1',
    '169.254.169.254',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    '255.255.255.255',
    'fe80::1',
    '240.0.0.1',
  ]
  const embedded = ['::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:0:7f00:1::']
  for (const address of [...never, ...embedded, 'name', '']) {
    for (const host of ['a.example', '*.a.example'])
      expect([host, address, permits(entry(host), address)]).toEqual([host, address, false])
  }
  for (const address of ['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1']) {
    expect([address, permits(entry('a.example'), address), permits(entry('*.a.example'), address)]).toEqual([
      address,
      true,
      false,
    ])
  }
  for (const address of ['93.184.216.34', '2606:2800:220:1::1'])
    expect(permits(entry('*.a.example'), address)).toBe(true)
  expect(permits(entry('127.0.0.1'), '127.0.0.1')).toBe(true)
  expect(permits(entry('127.0.0.1'), '127.0.0.2')).toBe(false)
})
