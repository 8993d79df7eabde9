import { isIP } from 'node:net'
import { SettingsError } from '@claude-fleet/core'
import ipaddr from 'ipaddr.js'

/** Which addresses webhooks may be sent to. */
export interface AddressPolicy {
  /** What is wrong with this address of a receiver, before its name is looked up. */
  findFault(url: URL): string | undefined
  /** May a connection be opened to `address`, which `url`'s host stands for? */
  permits(url: URL, address: string): boolean
  /** Did the operator name this host? Such a name may be in the hosts file. */
  isNamed(url: URL): boolean
}

/** Never by a host's name alone: an operator who wants one of these lists the address. */
const NEVER_BY_NAME = new Set(['linkLocal', 'multicast', 'broadcast', 'unspecified'])

/**
 * Public addresses over https, and what the operator allows: `allow` has host names, addresses and CIDRs. Throws
 * SettingsError for an entry that is none of them.
 */
export function createAddressPolicy(allow: readonly string[]): AddressPolicy {
  const names = new Set<string>()
  const ranges: [ipaddr.IPv4 | ipaddr.IPv6, number][] = []
  for (const entry of allow) {
    const [host = '', bits] = entry.split('/')
    if (isIP(host) === 0 && bits === undefined) names.add(host.toLowerCase())
    else ranges.push(parseRange(entry, host, bits))
  }

  function isListed(address: string): boolean {
    const parsed = ipaddr.process(address)
    return ranges.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match([base, bits] as never))
  }

  function isNamed(url: URL): boolean {
    return names.has(hostOf(url))
  }

  function permits(url: URL, address: string): boolean {
    if (isIP(address) === 0) return false
    if (isListed(address)) return true
    if (isNamed(url) && !NEVER_BY_NAME.has(ipaddr.process(address).range())) return true
    return url.protocol === 'https:' && isPublic(address)
  }

  function findFault(url: URL): string | undefined {
    const host = hostOf(url)
    const literal = isIP(host) === 0 ? undefined : host
    if (literal !== undefined && !permits(url, literal) && !(url.protocol === 'http:' && isPublic(literal))) {
      return 'must not be a private address'
    }
    const plain = isNamed(url) || (literal !== undefined && isListed(literal))
    if (url.protocol !== 'https:' && !plain) return 'must be an https:// address'
    if (literal === undefined && !plain && /(^|\.)localhost\.?$/.test(host)) return 'must not be a private address'
    return undefined
  }

  return { findFault, permits, isNamed }
}

/** The host of an address as the resolver wants it: an IPv6 address without brackets, a name in lower case. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
}

/**
 * Is this an address of the open internet? IPv4: none of the special ranges. IPv6: global unicast (2000::/3), and of that
 * none that stands for an IPv4 address (6to4, Teredo) or is set apart. All embeddings outside (mapped, compatible,
 * NAT64) are thereby refused.
 */
function isPublic(address: string): boolean {
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || parsed.match(ipaddr.parse('2000::'), 3)
}

function parseRange(entry: string, host: string, bits: string | undefined): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const max = isIP(host) === 4 ? 32 : 128
  const length = bits === undefined ? max : Number(bits)
  if (isIP(host) === 0 || length > max) {
    throw new SettingsError('FLEET_WEBHOOK_ALLOW', `has ${JSON.stringify(entry)}, which is no host, address or CIDR`)
  }
  return [ipaddr.process(host), length]
}
