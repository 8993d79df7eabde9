import { z } from 'zod'
import { TENANT_PATTERN } from '../job.js'

/** A host that tools may reach through the worker. */
export interface EgressHost {
  /** For this tenant alone. Undefined: for all. */
  tenant: string | undefined
  /** A name in lower case, an IPv4 address, or a name that begins with `*.`: all names below it, and not itself. */
  host: string
  port: number
}

const ADDRESS = z.ipv4()
const NAME = /^(\*\.)?([a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?\.)*[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?$/

/** `[TENANT=]HOST[:PORT]`. Undefined for what is none. */
export function parseEgressHost(entry: string): EgressHost | undefined {
  const [, tenant, name = '', digits] = /^(?:([^=]*)=)?([^=:]+)(?::(\d{1,5}))?$/.exec(entry) ?? []
  if (tenant !== undefined && !TENANT_PATTERN.test(tenant)) return undefined
  const host = name.toLowerCase()
  // Only digits and dots and no address: some resolvers take it for one all the same.
  if (/^[\d.]*$/.test(host) ? !ADDRESS.safeParse(host).success : !NAME.test(host)) return undefined
  const port = digits === undefined ? 443 : Number(digits)
  return port >= 1 && port <= 65_535 ? { tenant, host, port } : undefined
}

/** `FLEET_EGRESS_HOSTS`. */
export const egressHosts = z
  .string()
  .transform((text, context): readonly EgressHost[] => {
    const hosts: EgressHost[] = []
    for (const entry of text.split(',').map((part) => part.trim())) {
      const host = parseEgressHost(entry)
      if (host !== undefined) hosts.push(host)
      else if (entry !== '') context.addIssue(`has ${JSON.stringify(entry)}, which is not [TENANT=]HOST[:PORT]`)
    }
    return hosts
  })
  .meta({
    allowed:
      '`[TENANT=]HOST[:PORT]`, comma separated; a host is a name, `*.` and a name, or an IPv4 address; the port is 443 unless given',
  })
