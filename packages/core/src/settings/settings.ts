import { resolve } from 'node:path'
import type { PermissionMode } from '../job.js'
import { parseApiKeys, type ApiKey } from './api-keys.js'
import { readCredentials, type Credential } from './credentials.js'
import type { EgressHost } from './egress-hosts.js'
import { readSecret, readSettings, SECRETS, SettingsError, type SettingsSource } from './read.js'
import { parseTenants, type TenantLimits } from './tenants.js'
import { apiShape, clientShape, workerShape } from './shapes.js'

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
  /** 32 bytes each; the first signs jobs, all verify. Empty: jobs are not signed. */
  jobKeys: readonly Uint8Array[]
}

export interface ApiSettings extends QueueSettings {
  host: string
  port: number
  /** Empty: no keys, which only loopback may have. */
  keys: readonly ApiKey[]
  /** Where they were read from, to be read again while it changes. Undefined: from the environment. */
  keysFile: string | undefined
  limits: ApiLimits
  /** Limits of tenants, and the file they were read from, to be read again while it changes. */
  tenants: { file: string; limits: ReadonlyMap<string, TenantLimits> } | undefined
  /** Undefined: what changes something is a line of the log. */
  auditLog: string | undefined
  policy: JobPolicy
  webhooks: WebhookSettings
  /** How long a session that does not say so is kept after its last turn, ms. */
  sessionTtlMs: number
}

/** What one key may ask of one process of the API; 0: any number. */
export interface ApiLimits {
  requestsPerSecond: number
  streams: number
}

export interface WebhookSettings {
  /** 32 bytes each; the first encrypts, all decrypt. Empty: no webhooks. */
  secretKeys: readonly Uint8Array[]
  /** Host names, addresses and CIDRs of internal receivers. */
  allow: readonly string[]
}

export interface WorkerSettings extends QueueSettings {
  /** Undefined: made from the host's name at start. */
  workerId: string | undefined
  /** Undefined: from the host's cores. */
  concurrency: number | undefined
  spares: number | undefined
  sessionIdleMs: number
  /** How pieces of an answer gather into events. */
  events: { windowMs: number; chars: number }
  workspaceRoot: string
  stateDir: string
  drainMs: number
  /** Where the worker keeps the files by which a probe sees how it is. Undefined: nowhere. */
  healthDir: string | undefined
  /** Where all that is said to and by claude is written, attempt by attempt. Undefined: nowhere. */
  traceDir: string | undefined
  /** Are keys and tokens kept from claude? */
  egressProxy: boolean
  /** Hosts that tools may reach through the worker. Undefined: what they reach is not the worker's to say. */
  egressHosts: readonly EgressHost[] | undefined
  /** Words of the command that starts every claude, with places in braces. Undefined: none. */
  spawnWrapper: readonly string[] | undefined
  claudeBin: string | undefined
  policy: JobPolicy
  credentials: ReadonlyMap<string, Credential>
  /** Proxy and CA variables that pass through to claude. */
  networkEnv: Readonly<Record<string, string>>
  /** Folders, relative to a tenant's, whose own settings and CLAUDE.md claude may load. */
  trustedWorkspaces: readonly string[]
  /** What this worker is or has: sessions may ask for it. */
  labels: readonly string[]
}

export interface ClientSettings {
  url: string | undefined
  apiKey: string | undefined
  redisUrl: string | undefined
  prefix: string
  /** As it was written: the client reads it. */
  jobKey: string | undefined
}

/** Passed through to claude as they are. */
export const NETWORK_VARIABLES = {
  HTTPS_PROXY: 'proxy for the API of the model',
  HTTP_PROXY: 'proxy for plain HTTP',
  ALL_PROXY: 'proxy for what has none of its own',
  NO_PROXY: 'hosts without a proxy',
  https_proxy: 'as HTTPS_PROXY',
  http_proxy: 'as HTTP_PROXY',
  all_proxy: 'as ALL_PROXY',
  no_proxy: 'as NO_PROXY',
  NODE_EXTRA_CA_CERTS: 'file of certificates to trust besides the known ones',
  SSL_CERT_FILE: 'file of certificates to trust, for tools',
  SSL_CERT_DIR: 'folder of certificates to trust, for tools',
} as const

/** Settings of `api`. Throws SettingsError. Listening on anything but loopback without keys is refused. */
export function readApiSettings(source: SettingsSource): ApiSettings {
  const read = readSettings(apiShape, source, SECRETS)
  const keys = readApiKeys(read.FLEET_API_KEYS, source)
  if (keys.length === 0 && !isLoopback(read.FLEET_API_HOST)) {
    throw new SettingsError(
      'FLEET_API_HOST',
      `${JSON.stringify(read.FLEET_API_HOST)} is not loopback, so FLEET_API_KEYS or FLEET_API_KEYS_FILE must be set`,
    )
  }
  return {
    ...queueSettings(read),
    host: read.FLEET_API_HOST,
    port: read.FLEET_API_PORT,
    keys,
    keysFile: source.env['FLEET_API_KEYS_FILE'] || undefined,
    limits: { requestsPerSecond: read.FLEET_API_RATE, streams: read.FLEET_API_STREAMS },
    tenants: readTenants(read.FLEET_TENANTS_FILE, source),
    auditLog: read.FLEET_AUDIT_LOG,
    policy: jobPolicy(read),
    webhooks: { secretKeys: read.FLEET_WEBHOOK_KEY ?? [], allow: read.FLEET_WEBHOOK_ALLOW },
    sessionTtlMs: read.FLEET_SESSION_TTL_MS,
  }
}

/**
 * Settings of `worker`. Throws SettingsError. `home` is where the defaults of the two folders live: an absolute path.
 */
export function readWorkerSettings(source: SettingsSource, home: string): WorkerSettings {
  const read = readSettings(workerShape(home), source, SECRETS)
  refuseBelowWorkspaces(read)
  if (read.FLEET_SPAWN_WRAPPER === undefined && read.FLEET_PERMISSION_MODES.includes('bypassPermissions')) {
    throw new SettingsError(
      'FLEET_PERMISSION_MODES',
      'has bypassPermissions, with which claude asks for nothing; that needs a sandbox: set FLEET_SPAWN_WRAPPER',
    )
  }
  if (read.FLEET_EGRESS_HOSTS !== undefined && read.FLEET_EGRESS_PROXY === 'off') {
    throw new SettingsError('FLEET_EGRESS_HOSTS', 'needs the proxy of the worker: FLEET_EGRESS_PROXY is off')
  }
  return {
    ...queueSettings(read),
    workerId: read.FLEET_WORKER_ID,
    concurrency: read.FLEET_CONCURRENCY,
    spares: read.FLEET_SPARES,
    sessionIdleMs: read.FLEET_SESSION_IDLE_MS,
    events: { windowMs: read.FLEET_EVENT_WINDOW_MS, chars: read.FLEET_EVENT_CHARS },
    workspaceRoot: read.FLEET_WORKSPACE_ROOT,
    stateDir: read.FLEET_STATE_DIR,
    drainMs: read.FLEET_DRAIN_MS,
    healthDir: read.FLEET_HEALTH_DIR,
    traceDir: read.FLEET_TRACE_DIR,
    egressProxy: read.FLEET_EGRESS_PROXY === 'on',
    egressHosts: read.FLEET_EGRESS_HOSTS,
    spawnWrapper: read.FLEET_SPAWN_WRAPPER,
    claudeBin: read.CLAUDE_BIN,
    policy: jobPolicy(read),
    credentials: readCredentials(source),
    networkEnv: pick(source.env, Object.keys(NETWORK_VARIABLES)),
    trustedWorkspaces: read.FLEET_TRUSTED_WORKSPACES,
    labels: read.FLEET_LABELS,
  }
}

/** What is below the workspace root is the folder of a tenant, one with that name, whose tools would work in it. */
function refuseBelowWorkspaces(read: {
  FLEET_WORKSPACE_ROOT: string
  FLEET_STATE_DIR: string
  FLEET_HEALTH_DIR?: string | undefined
  FLEET_TRACE_DIR?: string | undefined
}): void {
  const root = resolve(read.FLEET_WORKSPACE_ROOT)
  for (const name of ['FLEET_STATE_DIR', 'FLEET_HEALTH_DIR', 'FLEET_TRACE_DIR'] as const) {
    const folder = read[name] === undefined ? undefined : resolve(read[name])
    if (folder !== root && !folder?.startsWith(root === '/' ? '/' : `${root}/`)) continue
    throw new SettingsError(name, 'must not be FLEET_WORKSPACE_ROOT or below it, where the folders of tenants are')
  }
}

/** Settings of clients and of the command line. Throws SettingsError. */
export function readClientSettings(source: SettingsSource): ClientSettings {
  const read = readSettings(clientShape, source, SECRETS)
  if (read.FLEET_URL === undefined) refusePlaintext(read)
  return {
    url: read.FLEET_URL,
    apiKey: read.FLEET_API_KEY,
    redisUrl: read.REDIS_URL,
    prefix: read.FLEET_PREFIX,
    jobKey: read.FLEET_JOB_KEY === undefined ? undefined : readSecret('FLEET_JOB_KEY', source),
  }
}

/** Is this address reachable from this machine only? */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function readApiKeys(text: string | undefined, source: SettingsSource): ApiKey[] {
  const setting = source.env['FLEET_API_KEYS_FILE'] ? 'FLEET_API_KEYS_FILE' : 'FLEET_API_KEYS'
  if (text === undefined) return []
  const keys = parseApiKeys(setting, text)
  // Without keys anybody on this machine is let in: that is said by leaving the setting out, not by an empty list.
  if (keys.length === 0) throw new SettingsError(setting, 'has no key in it')
  return keys
}

function readTenants(file: string | undefined, source: SettingsSource): ApiSettings['tenants'] {
  if (file === undefined) return undefined
  let text: string
  try {
    text = source.readFile(file)
  } catch (cause) {
    throw new SettingsError('FLEET_TENANTS_FILE', `cannot read ${JSON.stringify(file)}`, { cause })
  }
  return { file, limits: parseTenants(text) }
}

/** Prompts, results and the password go through it: on the way to another machine they are not to be read. */
function refusePlaintext(read: { REDIS_URL?: string | undefined; FLEET_REDIS_PLAINTEXT?: 'allow' | undefined }): void {
  const hosts = /^redis(?:-sentinel)?:\/\/(?:[^@/]*@)?([^/?#]*)/.exec(read.REDIS_URL ?? '')?.[1]?.split(',') ?? []
  const names = hosts.map((host) => host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1'))
  if (read.FLEET_REDIS_PLAINTEXT === 'allow' || names.every(isLoopback)) return
  throw new SettingsError(
    'REDIS_URL',
    'names another machine without TLS; use rediss://, or set FLEET_REDIS_PLAINTEXT=allow where the network is yours alone',
  )
}

/** The shared settings by their names in the code. */
export function queueSettings(read: {
  REDIS_URL: string
  FLEET_PREFIX: string
  FLEET_LOG_LEVEL: string
  FLEET_RETENTION_MS: number
  FLEET_JOB_KEY?: Uint8Array[] | undefined
  FLEET_REDIS_PLAINTEXT?: 'allow' | undefined
}): QueueSettings {
  refusePlaintext(read)
  return {
    redisUrl: read.REDIS_URL,
    prefix: read.FLEET_PREFIX,
    logLevel: read.FLEET_LOG_LEVEL,
    retentionMs: read.FLEET_RETENTION_MS,
    jobKeys: read.FLEET_JOB_KEY ?? [],
  }
}

function jobPolicy(read: { FLEET_ALLOWED_ENV: string[]; FLEET_PERMISSION_MODES: PermissionMode[] }): JobPolicy {
  return { allowedEnv: new Set(read.FLEET_ALLOWED_ENV), permissionModes: new Set(read.FLEET_PERMISSION_MODES) }
}

function pick(env: SettingsSource['env'], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
}
