import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, FleetError } from '@claude-fleet/core'

/** What a signature covers. `kind` keeps what was signed as one from being taken for the other. */
export interface Signed {
  kind: 'job' | 'schedule' | 'session'
  id: string
  tenant: string
  /** JSON that `findJsonFault` has passed. */
  spec: unknown
}

/** Tells what a producer of this fleet has written from what another writer of Redis has. */
export interface Signer {
  /** HMAC-SHA256 in base64url; undefined without a key. */
  sign(thing: Signed): string | undefined
  /** Did one of the keys sign it? Without a key nothing is told apart: true. */
  verify(thing: Signed, mac: unknown): boolean
}

const KEY_BYTES = 32
const MAC_PATTERN = /^[A-Za-z0-9_-]{43}$/

/**
 * `keys`: 32 bytes each; the first signs, all verify, so that one can be replaced. None: nothing is signed, anything
 * passes. Throws FleetError `INVALID_REQUEST` for keys of another length.
 */
export function createSigner(keys: readonly Uint8Array[] = []): Signer {
  if (keys.some((key) => key.length !== KEY_BYTES)) {
    throw new FleetError('INVALID_REQUEST', `a key that signs jobs has ${KEY_BYTES} bytes`)
  }
  const [signing] = keys
  return {
    sign: (thing) => (signing === undefined ? undefined : macOf(signing, thing).toString('base64url')),
    verify(thing, mac) {
      if (keys.length === 0) return true
      if (typeof mac !== 'string' || !MAC_PATTERN.test(mac)) return false
      const given = Buffer.from(mac, 'base64url')
      return keys.some((key) => timingSafeEqual(macOf(key, thing), given))
    },
  }
}

/** The parts are one JSON text, so that none can run over into another. */
function macOf(key: Uint8Array, { kind, id, tenant, spec }: Signed): Buffer {
  const text = canonicalJson({ kind: `claude-fleet/${kind}/2`, id, tenant, spec })
  return createHmac('sha256', key).update(text).digest()
}
