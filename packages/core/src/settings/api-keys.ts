import { TENANT_PATTERN } from '../job.js'
import { SettingsError } from './read.js'

export const SCOPES = ['enqueue', 'read', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** One API key as the operator lists it: who it belongs to, the SHA-256 of the key in hex, and what it may do. */
export interface ApiKey {
  tenant: string
  sha256: string
  scopes: ReadonlySet<Scope>
}

/** Names a key in logs and lists: the beginning of its SHA-256, from which nobody gets the key. */
export function keyIdOf(sha256: string): string {
  return `k_${sha256.slice(0, 12)}`
}

/**
 * Parses `tenant:sha256-hex-of-key[:scope+scope]`, entries separated by commas or line breaks; a line that starts with
 * `#` is a comment. Without scopes a key may `enqueue` and `read`. Throws SettingsError naming the entry by its place,
 * never by its text.
 */
export function parseApiKeys(setting: string, value: string): ApiKey[] {
  const entries = value
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) => line.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  const keys = entries.map((entry, index) => parseApiKey(setting, entry, index + 1))
  const seen = new Set<string>()
  for (const [index, key] of keys.entries()) {
    if (seen.has(key.sha256)) throw new SettingsError(setting, `entry ${index + 1} repeats the key of an earlier entry`)
    seen.add(key.sha256)
  }
  return keys
}

function parseApiKey(setting: string, entry: string, place: number): ApiKey {
  const [tenant = '', sha256 = '', scopes, ...rest] = entry.split(':')
  const wrong = (problem: string) => new SettingsError(setting, `entry ${place} ${problem}`)
  if (rest.length > 0) throw wrong('is not tenant:sha256-hex-of-key[:scope+scope]')
  if (!TENANT_PATTERN.test(tenant)) throw wrong('has no tenant name of lower-case letters, digits, _ and -')
  if (!/^[0-9a-fA-F]{64}$/.test(sha256)) throw wrong('has no SHA-256 of 64 hex digits after the tenant')
  return { tenant, sha256: sha256.toLowerCase(), scopes: parseScopes(scopes, wrong) }
}

function parseScopes(text: string | undefined, wrong: (problem: string) => SettingsError): ReadonlySet<Scope> {
  if (text === undefined) return new Set(['enqueue', 'read'])
  const isScope = (name: string): name is Scope => (SCOPES as readonly string[]).includes(name)
  return new Set(
    text.split('+').map((name) => {
      if (isScope(name)) return name
      throw wrong(`has a scope that is not one of ${SCOPES.join(', ')}`)
    }),
  )
}
