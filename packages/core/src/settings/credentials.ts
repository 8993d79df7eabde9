import { z } from 'zod'
import { findJsonFault } from '../json.js'
import { CREDENTIAL_PATTERN, DEFAULT_CREDENTIAL, ENV_NAME_PATTERN, TENANT_PATTERN } from '../job.js'
import { readSecret, SECRETS, SettingsError, type SettingsSource } from './read.js'

/** A named secret of a worker: the environment that `claude` gets for it, and the tenants that may use it. */
export interface Credential {
  name: string
  env: Readonly<Record<string, string>>
  /** Undefined: every tenant. */
  tenants: readonly string[] | undefined
}

/** The worker's own variables that make up its credential `default`. Those marked so may be given as `NAME_FILE`. */
const SECRET_VARIABLES = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'CLAUDE_CODE_OAUTH_TOKEN',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_BEARER_TOKEN_BEDROCK',
] as const
const PLAIN_VARIABLES = [
  'CLAUDE_CODE_USE_BEDROCK',
  'CLAUDE_CODE_USE_VERTEX',
  'CLAUDE_CODE_SKIP_BEDROCK_AUTH',
  'CLAUDE_CODE_SKIP_VERTEX_AUTH',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_PROFILE',
  'AWS_ACCESS_KEY_ID',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'CLOUD_ML_REGION',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GOOGLE_CLOUD_PROJECT',
] as const
/** Only where Bedrock or Vertex is switched on: another program's AWS or Google variables are not claude's. */
const CLOUD_PREFIX = /^(AWS_|GOOGLE_|CLOUD_ML_)/

const entrySchema = z.strictObject({
  env: z.record(z.string().regex(ENV_NAME_PATTERN), z.string()),
  tenants: z.array(z.string().regex(TENANT_PATTERN)).optional(),
})
const fileSchema = z.record(z.string().regex(CREDENTIAL_PATTERN), entrySchema)

/**
 * The credentials a worker has: `default` from its own `ANTHROPIC_*`, OAuth token, Bedrock or Vertex variables, and
 * the ones of `FLEET_CREDENTIALS_FILE`. A file entry named `default` replaces the worker's own.
 *
 * Throws SettingsError that names the place in the file and never a value.
 */
export function readCredentials(source: SettingsSource): ReadonlyMap<string, Credential> {
  const credentials = new Map<string, Credential>()
  const own = readOwnCredential(source)
  if (own !== undefined) credentials.set(DEFAULT_CREDENTIAL, own)
  const file = source.env['FLEET_CREDENTIALS_FILE']
  if (file === undefined || file === '') return credentials
  for (const [name, entry] of Object.entries(parseFile(file, source))) {
    credentials.set(name, { name, env: entry.env, tenants: entry.tenants })
  }
  return credentials
}

/** Files with secrets that settings name in another way than `NAME_FILE`. */
const SECRET_FILE_SETTINGS = ['FLEET_CREDENTIALS_FILE', 'GOOGLE_APPLICATION_CREDENTIALS', 'AWS_SHARED_CREDENTIALS_FILE']

/** The files with secrets that an environment names, each with its setting: nobody else should be able to read them. */
export function secretFiles(env: SettingsSource['env']): { setting: string; path: string }[] {
  const isSecretFile = (name: string): boolean => {
    if (SECRET_FILE_SETTINGS.includes(name)) return true
    const secret = /^(.+)_FILE$/.exec(name)?.[1] ?? ''
    return /^ANTHROPIC_|^FLEET_API_KEYS$/.test(secret) || [...SECRETS, ...SECRET_VARIABLES].includes(secret)
  }
  return Object.entries(env).flatMap(([setting, path]) => (path && isSecretFile(setting) ? [{ setting, path }] : []))
}

function readOwnCredential(source: SettingsSource): Credential | undefined {
  const env: Record<string, string> = {}
  const cloud = Boolean(source.env['CLAUDE_CODE_USE_BEDROCK']) || Boolean(source.env['CLAUDE_CODE_USE_VERTEX'])
  const anthropic = Object.keys(source.env)
    .filter((name) => name.startsWith('ANTHROPIC_'))
    .map((name) => name.replace(/_FILE$/, ''))
  for (const name of new Set([...anthropic, ...SECRET_VARIABLES, ...PLAIN_VARIABLES])) {
    if (CLOUD_PREFIX.test(name) && !cloud) continue
    const isSecret = name.startsWith('ANTHROPIC_') || (SECRET_VARIABLES as readonly string[]).includes(name)
    const value = isSecret ? readSecret(name, source) : source.env[name]
    if (value !== undefined && value !== '') env[name] = value
  }
  if (Object.keys(env).length === 0) return undefined
  return { name: DEFAULT_CREDENTIAL, env, tenants: undefined }
}

function parseFile(path: string, source: SettingsSource): z.output<typeof fileSchema> {
  const setting = 'FLEET_CREDENTIALS_FILE'
  let json: unknown
  try {
    json = JSON.parse(source.readFile(path))
  } catch (cause) {
    // The parser's own message quotes the text around the fault, which is a secret here.
    const problem = cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new SettingsError(setting, `${JSON.stringify(path)} ${problem}`)
  }
  const fault = findJsonFault(json)
  if (fault !== undefined) throw new SettingsError(setting, `${fault.path} ${fault.message}`)
  const parsed = fileSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SettingsError(setting, `${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not allowed'}`)
}
