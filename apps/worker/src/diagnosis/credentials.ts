import { stat } from 'node:fs/promises'
import type { Credential, SettingsSource, WorkerSettings } from '@claude-fleet/core'
import { fail, ok, skipped, warn, type Check } from './check.js'

const ASK_MS = 8_000
const API = 'https://api.anthropic.com'

/** Is there a credential, are the files that hold secrets shut to others, and with `online`: does the API take each? */
export async function checkCredentials(
  settings: WorkerSettings,
  source: SettingsSource,
  { online, signal }: { online: boolean; signal: AbortSignal },
): Promise<Check[]> {
  const names = [...settings.credentials.keys()]
  const present =
    names.length === 0
      ? warn(
          'credentials',
          'none; every job will fail with AUTH_FAILED',
          'export ANTHROPIC_API_KEY=... or set FLEET_CREDENTIALS_FILE',
        )
      : ok('credentials', names.join(', '))
  const files = Object.entries(source.env).filter(
    ([name, value]) =>
      value !== undefined &&
      value !== '' &&
      (name === 'FLEET_CREDENTIALS_FILE' || /_(KEY|KEYS|TOKEN|PASSWORD|URL)_FILE$/.test(name)),
  )
  const shut = await Promise.all(files.map(([name, file]) => checkFile(name, file ?? '')))
  const asked = await Promise.all([...settings.credentials.values()].map((one) => ask(one, online, signal)))
  return [present, ...shut, ...asked]
}

async function checkFile(name: string, file: string): Promise<Check> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) return fail(name, `${file} cannot be read`, `ls -l ${file}`)
  const mode = (found.mode & 0o777).toString(8)
  if ((found.mode & 0o007) !== 0) return fail(name, `${file} is open to everybody (${mode})`, `chmod 600 ${file}`)
  return ok(name, `${file} (${mode})`)
}

/** Lists models: the API checks the key and charges nothing. */
async function ask({ name, env }: Credential, online: boolean, signal: AbortSignal): Promise<Check> {
  const title = `credential ${name}`
  if (!online) return skipped(title, 'not tried; --online asks the API, at no cost')
  if (env['CLAUDE_CODE_USE_BEDROCK'] || env['CLAUDE_CODE_USE_VERTEX'])
    return skipped(title, 'Bedrock and Vertex are not tried')
  const token = env['CLAUDE_CODE_OAUTH_TOKEN'] ?? env['ANTHROPIC_AUTH_TOKEN']
  const key = env['ANTHROPIC_API_KEY']
  if (!token && !key)
    return fail(title, 'has neither a key nor a token', 'set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN in it')
  const base = env['ANTHROPIC_BASE_URL'] ?? API
  try {
    const response = await fetch(`${base.replace(/\/$/, '')}/v1/models?limit=1`, {
      headers: {
        'anthropic-version': '2023-06-01',
        ...(key ? { 'x-api-key': key } : { authorization: `Bearer ${token}`, 'anthropic-beta': 'oauth-2025-04-20' }),
      },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
    })
    await response.body?.cancel()
    if (response.ok) return ok(title, `accepted by ${base}`)
    if (response.status === 401 || response.status === 403)
      return fail(title, `refused by ${base} (${response.status})`, 'make a new key and put it in place of this one')
    return warn(title, `${base} answered ${response.status}, which says nothing of the key`)
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return fail(
      title,
      `${base} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
      'check the network, HTTPS_PROXY and NODE_EXTRA_CA_CERTS',
    )
  }
}
