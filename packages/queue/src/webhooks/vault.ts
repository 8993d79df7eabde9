import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { FleetError } from '@claude-fleet/core'

/** Keeps secrets that must be read again: what lies in Redis cannot be read without the operator's key. */
export interface Vault {
  /** `owner` is bound to it: the sealed text opens for this owner alone. */
  seal(secret: string, owner: string): string
  /** Throws FleetError `INTERNAL` when no key opens it for this owner. */
  open(sealed: string, owner: string): string
}

const IV_BYTES = 12
const TAG_BYTES = 16
const VERSION = 'v1'

/**
 * AES-256-GCM. `keys`: 32 bytes each; the first one seals, all of them open, so that a key can be replaced. Throws
 * FleetError `INTERNAL` for keys of another length.
 */
export function createVault(keys: readonly Uint8Array[]): Vault {
  const known = keys.map((key) => ({ id: createHash('sha256').update(key).digest('hex').slice(0, 8), key }))
  const [sealing] = known
  if (sealing === undefined || keys.some((key) => key.length !== 32)) {
    throw new FleetError('INTERNAL', 'a key for secrets has 32 bytes')
  }

  return {
    seal(secret, owner) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sealing.key, iv, { authTagLength: TAG_BYTES })
      cipher.setAAD(Buffer.from(owner))
      const sealed = Buffer.concat([iv, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${VERSION}.${sealing.id}.${sealed.toString('base64url')}`
    },
    open(text, owner) {
      const [version, id, body = ''] = text.split('.')
      const found = known.find((one) => one.id === id)
      if (version !== VERSION || found === undefined) {
        throw new FleetError('INTERNAL', 'a secret was encrypted with a key that FLEET_WEBHOOK_KEY does not have')
      }
      const bytes = Buffer.from(body, 'base64url')
      try {
        const decipher = createDecipheriv('aes-256-gcm', found.key, bytes.subarray(0, IV_BYTES), {
          authTagLength: TAG_BYTES,
        })
        decipher.setAAD(Buffer.from(owner))
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
        return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8')
      } catch (cause) {
        throw new FleetError('INTERNAL', 'a secret in Redis was changed', { cause })
      }
    },
  }
}
