import { isIP } from 'node:net'
import type { EgressHost } from '@claude-fleet/core'
import ipaddr from 'ipaddr.js'

/** Which hosts the tools of a tenant may reach, and at which addresses. */
export interface HostList {
  /** The entry by which they may, undefined where they may not. `host`: as in an address, any case. */
  find(tenant: string, host: string, port: number): EgressHost | undefined
}

export function createHostList(hosts: readonly EgressHost[]): HostList {
  return {
    find(tenant, host, port) {
      const name = host.toLowerCase().replace(/\.$/, '')
      return hosts.find(
        (entry) =>
          (entry.tenant === undefined || entry.tenant === tenant) &&
          entry.port === port &&
          (entry.host.startsWith('*.')
            ? isIP(name) === 0 && name.endsWith(entry.host.slice(1)) && name.length > entry.host.length - 1
            : name === entry.host),
      )
    },
  }
}

/** Of this host or link, or of no host: never by a name, which whoever holds the name can turn. */
const NEVER_BY_NAME = new Set(['loopback', 'linkLocal', 'multicast', 'broadcast', 'unspecified', 'reserved'])

/**
 * May a connection be opened to `address`, which the host of this entry stands for? An address that the operator wrote
 * down: yes. A name that was written down: also in a private network. A name below `*.`: on the open internet alone.
 */
export function permits(entry: EgressHost, address: string): boolean {
  if (isIP(address) === 0) return false
  if (entry.host === address) return true
  const parsed = ipaddr.process(address)
  const range = parsed.range()
  if (parsed.kind() === 'ipv6' && !(range === 'unicast' || range === 'uniqueLocal')) return false
  return entry.host.startsWith('*.') ? range === 'unicast' : !NEVER_BY_NAME.has(range)
}
