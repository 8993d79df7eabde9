import { createHash, randomBytes } from 'node:crypto'
import { FleetError } from '@claude-fleet/core'

/** What one `claude` may have sent on: by the worthless tokens it has, the real ones. */
export interface Grant {
  /** Where it goes, and nowhere else. */
  base: URL
  /** Real secrets by the SHA-256 of the token that stands for each. */
  secrets: ReadonlyMap<string, string>
  /** Put on every request, lower case names. May be secrets, so `claude` does not see them. */
  headers: Readonly<Record<string, string>>
}

/** The variables that are replaced, and the beginning of what stands for each: claude tells what it has by it. */
const FORMS = {
  ANTHROPIC_API_KEY: 'sk-ant-api03-',
  ANTHROPIC_AUTH_TOKEN: '',
  CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-',
} as const
const API = 'https://api.anthropic.com'

/**
 * Takes the credential out of an environment. Returns the environment with tokens in its place that are worth nothing but
 * at `address`, and the grant that tells what they stand for. Undefined where there is nothing that can be taken out:
 * no key or token, or a cloud that signs each request with it.
 *
 * Throws FleetError `FORBIDDEN` where `ANTHROPIC_BASE_URL` is no plain HTTP address: the key would go nobody knows where.
 */
export function makeGrant(
  env: Readonly<Record<string, string>>,
  address: string,
): { env: Record<string, string>; grant: Grant } | undefined {
  if (env['CLAUDE_CODE_USE_BEDROCK'] || env['CLAUDE_CODE_USE_VERTEX']) return undefined
  const names = (Object.keys(FORMS) as (keyof typeof FORMS)[]).filter((name) => env[name])
  const custom = env['ANTHROPIC_CUSTOM_HEADERS']
  if (names.length === 0 && !custom) return undefined

  const secrets = new Map<string, string>()
  const worthless: Record<string, string> = {}
  // A credential of headers alone needs a key too, by which the proxy knows the process.
  for (const name of names.length === 0 ? (['ANTHROPIC_AUTH_TOKEN'] as const) : names) {
    const token = FORMS[name] + randomBytes(48).toString('base64url')
    worthless[name] = token
    secrets.set(digestOf(token), env[name] ?? '')
  }
  const { ANTHROPIC_CUSTOM_HEADERS: _, ...rest } = env
  return {
    env: { ...rest, ...worthless, ANTHROPIC_BASE_URL: address, ...withoutProxy(env) },
    grant: { base: baseOf(env['ANTHROPIC_BASE_URL'] || API), secrets, headers: customHeaders(custom) },
  }
}

/** By it tokens are compared: how long a look-up takes tells nothing of a token. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function baseOf(address: string): URL {
  const base = URL.canParse(address) ? new URL(address) : undefined
  if (base === undefined || !/^https?:$/.test(base.protocol) || base.username !== '' || base.password !== '') {
    throw new FleetError('FORBIDDEN', 'ANTHROPIC_BASE_URL must be an http or https address without a name or password')
  }
  return base
}

/** As claude reads them: a header a line. */
function customHeaders(text = ''): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [, name, value] = /^([\w-]+)\s*:\s*([\x20-\x7e]+?)\s*$/.exec(line.trim()) ?? []
    if (name !== undefined && value !== undefined) headers[name.toLowerCase()] = value
  }
  return headers
}

/** A proxy of the network must not be asked for what is on this host. */
function withoutProxy(env: Readonly<Record<string, string>>): Record<string, string> {
  if (!Object.keys(env).some((name) => /^(https?|all)_proxy$/i.test(name))) return {}
  const hosts = [env['no_proxy'] ?? env['NO_PROXY'], '127.0.0.1'].filter(Boolean).join(',')
  return { NO_PROXY: hosts, no_proxy: hosts }
}
