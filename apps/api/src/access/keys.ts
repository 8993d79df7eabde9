import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { DEFAULT_TENANT, FleetError, SCOPES, type ApiKey, type Scope } from '@claude-fleet/core'

/** Who sent a request, and what they may do. */
export interface Caller {
  tenant: string
  scopes: ReadonlySet<Scope>
}

/**
 * Tells callers by their key, from `Authorization: Bearer KEY` or `x-api-key`. Without configured keys every caller is
 * the tenant `default` with all scopes: the caller of this function must then serve loopback only.
 *
 * The returned function throws FleetError `UNAUTHENTICATED`.
 */
export function createAuthenticator(keys: readonly ApiKey[]): (req: IncomingMessage) => Caller {
  if (keys.length === 0) {
    const everyone: Caller = { tenant: DEFAULT_TENANT, scopes: new Set(SCOPES) }
    return () => everyone
  }
  const known = keys.map((key) => ({ digest: Buffer.from(key.sha256, 'hex'), caller: key as Caller }))
  return (req) => {
    const presented = presentedKey(req)
    if (presented === undefined) {
      throw new FleetError('UNAUTHENTICATED', 'send an API key as Authorization: Bearer KEY')
    }
    const digest = createHash('sha256').update(presented).digest()
    // Compared with every key, so that the time says nothing about which one came near.
    const [match] = known.filter((key) => timingSafeEqual(key.digest, digest))
    if (match === undefined) throw new FleetError('UNAUTHENTICATED', 'this API key is not known')
    return { tenant: match.caller.tenant, scopes: match.caller.scopes }
  }
}

function presentedKey(req: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const header = req.headers['x-api-key']
  return typeof header === 'string' && header !== '' ? header : undefined
}
