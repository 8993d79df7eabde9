import { createHash, timingSafeEqual } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { DEFAULT_TENANT, FleetError, keyIdOf, SCOPES, type ApiKey, type Scope } from '@claude-fleet/core'

/** Who sent a request, and what they may do. */
export interface Caller {
  tenant: string
  scopes: ReadonlySet<Scope>
  /** Names the key in logs, and is none. `local`: no keys are asked for. */
  keyId: string
  /** Aborts when the key is no longer known, or for something else: what still runs for it ends. */
  revoked: AbortSignal
}

/** The keys that are known now. */
export interface KeyRing {
  /** 0: none are asked for, which only loopback may have. */
  readonly count: number
  /** Who sent the request. Throws FleetError `UNAUTHENTICATED`. */
  authenticate(req: IncomingMessage): Caller
  /** From now on these are the keys. Without any nobody is let in. */
  replace(keys: readonly ApiKey[]): void
}

interface KnownKey {
  digest: Buffer
  caller: Caller
  revoke(): void
}

/**
 * Tells callers by their key, from `Authorization: Bearer KEY` or `x-api-key`. Begun without keys, every caller is the tenant
 * `default` with all scopes: whoever makes it so must serve loopback only.
 */
export function createKeyRing(first: readonly ApiKey[]): KeyRing {
  const isOpen = first.length === 0
  const everyone = knownKey({ tenant: DEFAULT_TENANT, sha256: '', scopes: new Set(SCOPES) }, 'local').caller
  let known = new Map(first.map((key) => [entryOf(key), knownKey(key)]))

  function authenticate(req: IncomingMessage): Caller {
    if (isOpen) return everyone
    const presented = presentedKey(req)
    if (presented === undefined) {
      throw new FleetError('UNAUTHENTICATED', 'send an API key as Authorization: Bearer KEY')
    }
    const digest = createHash('sha256').update(presented).digest()
    // Compared with every key, so that the time says nothing about which one came near.
    const [match] = [...known.values()].filter((key) => timingSafeEqual(key.digest, digest))
    if (match === undefined) throw new FleetError('UNAUTHENTICATED', 'this API key is not known')
    return match.caller
  }

  return {
    get count() {
      return known.size
    },
    authenticate,
    replace(keys) {
      if (isOpen) throw new FleetError('INTERNAL', 'a server that was begun without keys cannot be given any')
      const next = new Map(keys.map((key) => [entryOf(key), known.get(entryOf(key)) ?? knownKey(key)]))
      for (const [entry, key] of known) if (!next.has(entry)) key.revoke()
      known = next
    },
  }
}

/** A key that is now for another tenant, or may do something else, is another key. */
function entryOf({ tenant, sha256, scopes }: ApiKey): string {
  return `${tenant}:${sha256}:${[...scopes].toSorted().join('+')}`
}

function knownKey({ tenant, sha256, scopes }: ApiKey, keyId = keyIdOf(sha256)): KnownKey {
  const revoking = new AbortController()
  // One listener for every open stream of the key.
  setMaxListeners(0, revoking.signal)
  const caller = { tenant, scopes, keyId, revoked: revoking.signal }
  return { digest: Buffer.from(sha256, 'hex'), caller, revoke: () => revoking.abort() }
}

function presentedKey(req: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const header = req.headers['x-api-key']
  return typeof header === 'string' && header !== '' ? header : undefined
}
