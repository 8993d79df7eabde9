import type { Check, Credential } from '@claude-fleet/core'
import { EnvHttpProxyAgent, fetch, Headers } from 'undici'
import { proxiesOf } from '../host/proxies.js'

const ASK_MS = 6_000
const API = 'https://api.anthropic.com'

/**
 * Does the API take a credential? Asks for the list of models, which is checked as any call is and costs nothing, at
 * `ANTHROPIC_BASE_URL` and through the proxy that `networkEnv` names.
 */
export async function askApi(
  credential: Credential,
  { networkEnv, signal }: { networkEnv: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<Check> {
  const { env } = credential
  const name = `credentials.${credential.name}.online`
  if (env['CLAUDE_CODE_USE_BEDROCK'] || env['CLAUDE_CODE_USE_VERTEX']) {
    return { name, status: 'skipped', found: 'Bedrock and Vertex are not asked: they have no such call' }
  }
  const address = env['ANTHROPIC_BASE_URL'] ?? API
  const base = URL.canParse(address) ? new URL(address) : undefined
  const where = base?.host ?? ''
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    return {
      name,
      status: 'fail',
      found: 'ANTHROPIC_BASE_URL is no address',
      fix: `unset ANTHROPIC_BASE_URL   # ${API}`,
    }
  }
  if (base.username !== '' || base.password !== '') {
    const found = `ANTHROPIC_BASE_URL holds a name or password for ${where}, which is not tried here`
    return { name, status: 'skipped', found }
  }
  const proxies = new EnvHttpProxyAgent(proxiesOf(networkEnv))
  try {
    const response = await fetch(`${base.href.replace(/\/$/, '')}/v1/models?limit=1`, {
      headers: headersOf(env),
      // The key goes to nobody else.
      redirect: 'manual',
      dispatcher: proxies,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
    })
    await response.body?.cancel()
    return statusCheck(name, where, response.status)
  } catch (error) {
    const found = `${where} cannot be reached: ${reason(error, env)}`
    return { name, status: 'fail', found, fix: 'look at the network, HTTPS_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS' }
  } finally {
    await proxies.destroy()
  }
}

/** As claude signs in (measured, 2.1.330): key and token together where both are set, OAuth only without either. */
function headersOf(env: Credential['env']): Headers {
  const headers = new Headers({ 'anthropic-version': '2023-06-01' })
  const { ANTHROPIC_API_KEY: key, ANTHROPIC_AUTH_TOKEN: token, CLAUDE_CODE_OAUTH_TOKEN: oauth } = env
  for (const line of (env['ANTHROPIC_CUSTOM_HEADERS'] ?? '').split('\n')) {
    const [, name, value] = /^([\w-]+)\s*:\s*([\x20-\x7e]+?)\s*$/.exec(line.trim()) ?? []
    if (name !== undefined && value !== undefined) headers.set(name, value)
  }
  if (key) headers.set('x-api-key', key)
  if (token) headers.set('authorization', `Bearer ${token}`)
  else if (oauth && !key) {
    headers.set('authorization', `Bearer ${oauth}`)
    headers.set('anthropic-beta', 'oauth-2025-04-20')
  }
  return headers
}

function statusCheck(name: string, where: string, status: number): Check {
  if (status >= 200 && status < 300) return { name, status: 'ok', found: `accepted by ${where}` }
  if (status === 401 || status === 403) {
    const fix = 'make a new key, and put it in the place of this one'
    return { name, status: 'fail', found: `refused by ${where} (HTTP ${status})`, expected: 'accepted', fix }
  }
  if (status === 407) {
    return {
      name,
      status: 'fail',
      found: 'refused by the proxy (HTTP 407)',
      fix: 'set user and password in HTTPS_PROXY',
    }
  }
  const found = `${where} answers with HTTP ${status}, which does not tell whether the key is good`
  const fix =
    status === 404 || status === 405 ? 'is ANTHROPIC_BASE_URL right? A gateway may lack /v1/models' : undefined
  return { name, status: 'warn', found, ...(fix && { fix }) }
}

/** The innermost cause says most. What it may quote of the credential is taken out. */
function reason(error: unknown, env: Credential['env']): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${ASK_MS / 1_000} s`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const message = cause instanceof Error ? cause.message : String(cause)
  const clean = Object.values(env).reduce((text, value) => text.replaceAll(value || '***', '***'), message)
  return [code, clean].filter((text) => text !== '').join(' ')
}
