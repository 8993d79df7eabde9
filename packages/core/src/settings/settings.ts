import { z } from 'zod'
import { ENV_NAME_PATTERN, PERMISSION_MODES, WORKER_ID_PATTERN, type PermissionMode } from '../job.js'
import { parseApiKeys, type ApiKey } from './api-keys.js'
import { readCredentials, type Credential } from './credentials.js'
import { readSecret, readSettings, SECRETS, SettingsError, type SettingsSource } from './read.js'
import * as value from './values.js'

/** Names that a job may never set, whatever the operator lists: each runs code in claude or moves its key elsewhere. */
const NEVER_ALLOWED_ENV =
  /^(BUN_|NODE_|LD_|DYLD_|ANTHROPIC_|CLAUDE_|AWS_|GOOGLE_|GIT_|MCP_|OTEL_|XDG_|BASH|SHELLOPTS$|PROMPT_COMMAND$|PS4$|ENV$|PATH$|HOME$|SHELL$|IFS$|TMPDIR$|IS_SANDBOX$|FLEET_|(HTTPS?|NO|ALL)_PROXY$|SSL_CERT_)/i

/** What every part that speaks to Redis reads. */
export const shared = {
  REDIS_URL: value.redisUrl,
  FLEET_PREFIX: value.prefix.default('fleet'),
  FLEET_LOG_LEVEL: value.logLevel.default('info'),
  FLEET_RETENTION_MS: value.durationMs(1_000).default(86_400_000),
}

const policy = {
  FLEET_ALLOWED_ENV: value.commaList.default([]).superRefine((names, context) => {
    for (const name of names) {
      if (!ENV_NAME_PATTERN.test(name)) context.addIssue(`has ${JSON.stringify(name)}, which is not a variable name`)
      else if (NEVER_ALLOWED_ENV.test(name)) context.addIssue(`has ${name}, which a job may never set`)
    }
  }),
  FLEET_PERMISSION_MODES: value.commaList
    .default(['default', 'dontAsk', 'acceptEdits', 'plan'])
    .transform((names, context) =>
      names.map((name): PermissionMode => {
        const mode = PERMISSION_MODES.find((known) => known === name)
        if (mode === undefined)
          context.addIssue(`has ${JSON.stringify(name)}, which is not one of ${PERMISSION_MODES.join(', ')}`)
        return mode ?? 'dontAsk'
      }),
    ),
}

/** What jobs may ask for, checked at the API, and again by the worker, whose answer counts. */
export interface JobPolicy {
  allowedEnv: ReadonlySet<string>
  permissionModes: ReadonlySet<PermissionMode>
}

export interface QueueSettings {
  redisUrl: string
  prefix: string
  logLevel: string
  /** How long ended jobs and their logs are kept, ms. */
  retentionMs: number
}

export interface ApiSettings extends QueueSettings {
  host: string
  port: number
  /** Empty: no keys, which only loopback may have. */
  keys: readonly ApiKey[]
  policy: JobPolicy
}

export interface WorkerSettings extends QueueSettings {
  /** Undefined: made from the host's name at start. */
  workerId: string | undefined
  /** Undefined: from the host's cores. */
  concurrency: number | undefined
  spares: number | undefined
  sessionIdleMs: number
  workspaceRoot: string
  stateDir: string
  drainMs: number
  /** Where the worker keeps the files by which a probe sees how it is. Undefined: nowhere. */
  healthDir: string | undefined
  /** Where all that is said to and by claude is written, attempt by attempt. Undefined: nowhere. */
  traceDir: string | undefined
  claudeBin: string | undefined
  policy: JobPolicy
  credentials: ReadonlyMap<string, Credential>
  /** Proxy and CA variables that pass through to claude. */
  networkEnv: Readonly<Record<string, string>>
  /** Folders, relative to a tenant's, whose own settings and CLAUDE.md claude may load. */
  trustedWorkspaces: readonly string[]
}

export interface ClientSettings {
  url: string | undefined
  apiKey: string | undefined
  redisUrl: string | undefined
  prefix: string
}

const NETWORK_VARIABLES = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const

/** Settings of `api`. Throws SettingsError. Listening on anything but loopback without keys is refused. */
export function readApiSettings(source: SettingsSource): ApiSettings {
  const shape = {
    ...shared,
    ...policy,
    FLEET_API_HOST: value.host.default('127.0.0.1'),
    FLEET_API_PORT: value.port.default(3_000),
  }
  const read = readSettings(shape, source, SECRETS)
  const keys = readApiKeys(source)
  if (keys.length === 0 && !isLoopback(read.FLEET_API_HOST)) {
    throw new SettingsError(
      'FLEET_API_HOST',
      `${JSON.stringify(read.FLEET_API_HOST)} is not loopback, so FLEET_API_KEYS or FLEET_API_KEYS_FILE must be set`,
    )
  }
  return { ...queueSettings(read), host: read.FLEET_API_HOST, port: read.FLEET_API_PORT, keys, policy: jobPolicy(read) }
}

/**
 * Settings of `worker`. Throws SettingsError. `home` is where the defaults of the two folders live: an absolute path.
 */
export function readWorkerSettings(source: SettingsSource, home: string): WorkerSettings {
  const shape = {
    ...shared,
    ...policy,
    FLEET_WORKER_ID: z
      .string()
      .regex(WORKER_ID_PATTERN, 'may have letters, digits and _ - . only, at most 128')
      .optional(),
    FLEET_CONCURRENCY: value.wholeNumber(1, 512).optional(),
    FLEET_SPARES: value.wholeNumber(0, 512).optional(),
    FLEET_SESSION_IDLE_MS: value.durationMs(0).default(600_000),
    FLEET_WORKSPACE_ROOT: value.absolutePath.default(`${home}/.claude-fleet/workspaces`),
    FLEET_STATE_DIR: value.absolutePath.default(`${home}/.claude-fleet/state`),
    FLEET_DRAIN_MS: value.durationMs(0).default(60_000),
    FLEET_HEALTH_DIR: value.absolutePath.optional(),
    FLEET_TRACE_DIR: value.absolutePath.optional(),
    FLEET_TRUSTED_WORKSPACES: value.commaList.default([]),
    CLAUDE_BIN: z.string().optional(),
  }
  const read = readSettings(shape, source, SECRETS)
  return {
    ...queueSettings(read),
    workerId: read.FLEET_WORKER_ID,
    concurrency: read.FLEET_CONCURRENCY,
    spares: read.FLEET_SPARES,
    sessionIdleMs: read.FLEET_SESSION_IDLE_MS,
    workspaceRoot: read.FLEET_WORKSPACE_ROOT,
    stateDir: read.FLEET_STATE_DIR,
    drainMs: read.FLEET_DRAIN_MS,
    healthDir: read.FLEET_HEALTH_DIR,
    traceDir: read.FLEET_TRACE_DIR,
    claudeBin: read.CLAUDE_BIN,
    policy: jobPolicy(read),
    credentials: readCredentials(source),
    networkEnv: pick(source.env, NETWORK_VARIABLES),
    trustedWorkspaces: read.FLEET_TRUSTED_WORKSPACES,
  }
}

/** Settings of clients and of the command line. Throws SettingsError. */
export function readClientSettings(source: SettingsSource): ClientSettings {
  const shape = {
    FLEET_URL: z.url({ protocol: /^https?$/, error: 'is not an http:// or https:// address' }).optional(),
    FLEET_API_KEY: z
      .string()
      .regex(/^[\x21-\x7e]{1,512}$/, 'is not an API key')
      .optional(),
    REDIS_URL: value.redisUrl.optional(),
    FLEET_PREFIX: shared.FLEET_PREFIX,
  }
  const read = readSettings(shape, source, SECRETS)
  return { url: read.FLEET_URL, apiKey: read.FLEET_API_KEY, redisUrl: read.REDIS_URL, prefix: read.FLEET_PREFIX }
}

/** Is this address reachable from this machine only? */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function readApiKeys(source: SettingsSource): ApiKey[] {
  const text = readSecret('FLEET_API_KEYS', source)
  const setting = source.env['FLEET_API_KEYS_FILE'] ? 'FLEET_API_KEYS_FILE' : 'FLEET_API_KEYS'
  if (text === undefined) return []
  const keys = parseApiKeys(setting, text)
  // Without keys anybody on this machine is let in: that is said by leaving the setting out, not by an empty list.
  if (keys.length === 0) throw new SettingsError(setting, 'has no key in it')
  return keys
}

/** The shared settings by their names in the code. */
export function queueSettings(read: {
  REDIS_URL: string
  FLEET_PREFIX: string
  FLEET_LOG_LEVEL: string
  FLEET_RETENTION_MS: number
}): QueueSettings {
  return {
    redisUrl: read.REDIS_URL,
    prefix: read.FLEET_PREFIX,
    logLevel: read.FLEET_LOG_LEVEL,
    retentionMs: read.FLEET_RETENTION_MS,
  }
}

function jobPolicy(read: { FLEET_ALLOWED_ENV: string[]; FLEET_PERMISSION_MODES: PermissionMode[] }): JobPolicy {
  return { allowedEnv: new Set(read.FLEET_ALLOWED_ENV), permissionModes: new Set(read.FLEET_PERMISSION_MODES) }
}

function pick(env: SettingsSource['env'], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
}
