import { SettingsError } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { createAddressPolicy } from './address.js'

const strict = createAddressPolicy([])
const https = new URL('https://hooks.example/')
const PRIVATE = `
  0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
  192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
  :: ::1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::8.8.8.8
  64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:db8::1 2001:20::1 2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254
  fe80::1 febf::1 fec0::1 ff02::1 ff0e::1 4000::1`
  .trim()
  .split(/\s+/)
const PUBLIC = ['1.1.1.1', '8.8.8.8', '93.184.216.34', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1']

test('only addresses of the open internet may be connected to', () => {
  expect(PRIVATE.filter((address) => strict.permits(https, address))).toEqual([])
  expect(PUBLIC.filter((address) => !strict.permits(https, address))).toEqual([])
  expect(PUBLIC.filter((address) => strict.permits(new URL('http://hooks.example/'), address))).toEqual([])
  expect(strict.permits(https, 'hooks.example')).toBe(false)
})

test('an address is refused before its name is looked up where that is enough', () => {
  const hosts = PRIVATE.map((address) => (address.includes(':') ? `[${address}]` : address))
  const urls = [...hosts, '0x7f.1', '2130706433', '0177.0.0.1', '127.1', 'localhost', 'a.localhost', 'localhost.']
  expect(urls.filter((host) => strict.findFault(new URL(`https://${host}/`)) === undefined)).toEqual([])
  expect(urls.filter((host) => strict.findFault(new URL(`http://${host}/`)) === undefined)).toEqual([])
  expect(strict.findFault(new URL('http://hooks.example/'))).toMatch(/https/)
  expect(strict.findFault(new URL('http://8.8.8.8/'))).toMatch(/https/)
  expect(strict.findFault(https)).toBeUndefined()
})

test('the operator lists what else may be: addresses for themselves, names for what they stand for', () => {
  const policy = createAddressPolicy(['10.1.0.0/16', '127.0.0.2', 'Inside.example', 'fd00::/8'])
  const inside = new URL('http://inside.example/')
  expect(['10.1.2.3', '127.0.0.2', 'fd12::1', '::ffff:10.1.2.3'].every((one) => policy.permits(https, one))).toBe(true)
  expect(['10.2.0.1', '127.0.0.1', 'fe80::1'].some((one) => policy.permits(https, one))).toBe(false)
  expect(['10.2.0.1', '127.0.0.1', '8.8.8.8'].every((one) => policy.permits(inside, one))).toBe(true)
  expect(['169.254.169.254', '0.0.0.0', 'fe80::1', '224.0.0.1'].some((one) => policy.permits(inside, one))).toBe(false)
  expect(policy.findFault(inside)).toBeUndefined()
  expect(policy.findFault(new URL('http://127.0.0.2:8080/'))).toBeUndefined()
  expect(policy.findFault(new URL('http://outside.example/'))).toMatch(/https/)
  for (const entry of ['10.0.0.0/33', 'a.example/8', '::1/129']) {
    expect(() => createAddressPolicy([entry])).toThrow(SettingsError)
  }
})
