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

/** The worker's own variables that make up its credential `default`. These may be given as `NAME_FILE` too. */
export const SECRET_VARIABLES = {
  ANTHROPIC_API_KEY: 'key of the API',
  ANTHROPIC_AUTH_TOKEN: 'bearer token, as gateways want it',
  CLAUDE_CODE_OAUTH_TOKEN: 'token of a subscription, made by `claude setup-token`',
  AWS_SECRET_ACCESS_KEY: 'with Bedrock',
  AWS_SESSION_TOKEN: 'with Bedrock',
  AWS_BEARER_TOKEN_BEDROCK: 'with Bedrock',
} as const
export const PLAIN_VARIABLES = {
  CLAUDE_CODE_USE_BEDROCK: 'switches Amazon Bedrock on',
  CLAUDE_CODE_USE_VERTEX: 'switches Google Vertex AI on',
  CLAUDE_CODE_SKIP_BEDROCK_AUTH: 'a gateway signs in to Bedrock',
  CLAUDE_CODE_SKIP_VERTEX_AUTH: 'a gateway signs in to Vertex',
  AWS_REGION: 'with Bedrock',
  AWS_DEFAULT_REGION: 'with Bedrock',
  AWS_PROFILE: 'with Bedrock',
  AWS_ACCESS_KEY_ID: 'with Bedrock',
  AWS_CONFIG_FILE: 'with Bedrock',
  AWS_SHARED_CREDENTIALS_FILE: 'with Bedrock',
  CLOUD_ML_REGION: 'with Vertex',
  GOOGLE_APPLICATION_CREDENTIALS: 'with Vertex',
  GOOGLE_CLOUD_PROJECT: 'with Vertex',
} as const
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
    return secret.startsWith('ANTHROPIC_') || SECRETS.has(secret) || Object.hasOwn(SECRET_VARIABLES, secret)
  }
  return Object.entries(env).flatMap(([setting, path]) => (path && isSecretFile(setting) ? [{ setting, path }] : []))
}

function readOwnCredential(source: SettingsSource): Credential | undefined {
  const env: Record<string, string> = {}
  const cloud = Boolean(source.env['CLAUDE_CODE_USE_BEDROCK']) || Boolean(source.env['CLAUDE_CODE_USE_VERTEX'])
  const anthropic = Object.keys(source.env)
    .filter((name) => name.startsWith('ANTHROPIC_'))
    .map((name) => name.replace(/_FILE$/, ''))
  for (const name of new Set([...anthropic, ...Object.keys(SECRET_VARIABLES), ...Object.keys(PLAIN_VARIABLES)])) {
    if (CLOUD_PREFIX.test(name) && !cloud) continue
    const isSecret = name.startsWith('ANTHROPIC_') || Object.hasOwn(SECRET_VARIABLES, name)
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
