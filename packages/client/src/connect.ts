import {
  DEFAULT_TENANT,
  FleetError,
  isFleetError,
  jobPageSchema,
  parseSecretKeys,
  TENANT_PATTERN,
  type FieldFault,
} from '@claude-fleet/core'
import { createFleet, type FleetClient as Client } from './fleet.js'
import { sendForJson, type HttpEndpoint } from './http/request.js'
import { createHttpTransport } from './http/transport.js'
import { until } from './signals.js'
import type { Transport } from './transport.js'

const DAY_MS = 86_400_000
const RECONNECT_MS = 300_000
const CONNECT_MS = 5_000

interface SharedOptions {
  /** How long `events` and `result` go on asking a fleet that was there and is away, ms. Default 300,000. */
  reconnectMs?: number | undefined
  /** Ends the wait for the connection; `connect` rejects with its reason. */
  signal?: AbortSignal | undefined
}

/** Over HTTP, to the API. */
export interface HttpOptions extends SharedOptions {
  /** Address of the API, such as `http://127.0.0.1:3000`. May have a path. */
  url: string
  apiKey?: string | undefined
  /** Asks the API once, so that a wrong address or key shows here. Default true; false sends nothing before the first call. */
  verify?: boolean | undefined
}

/** Straight to Redis, without an API between: for services that may write the fleet's Redis. */
export interface RedisOptions extends SharedOptions {
  /** `redis://`, `rediss://` or `unix:///path`. */
  redis: string
  /** Default `default`. */
  tenant?: string | undefined
  /** The fleet's `FLEET_PREFIX`. Default `fleet`. */
  prefix?: string | undefined
  /** The fleet's `FLEET_RETENTION_MS`, ms. Default 86,400,000. */
  retentionMs?: number | undefined
  /** The fleet's `FLEET_JOB_KEY`, with which jobs are signed: 32 bytes in hexadecimal or base64, several comma separated. */
  jobKey?: string | undefined
}

export type ConnectOptions = HttpOptions | RedisOptions

export type FleetClient = Client

export const FleetClient = { connect }

/**
 * A client of the fleet. Rejects with FleetError: `INVALID_REQUEST` for options that cannot be, `UNAVAILABLE` when the API
 * or Redis does not answer within 5 s, `UNAUTHENTICATED` when the API does not know the key, `INTERNAL` when what answers
 * is no fleet.
 */
async function connect(options: ConnectOptions): Promise<Client> {
  const { reconnectMs = RECONNECT_MS, signal = new AbortController().signal } = options
  signal.throwIfAborted()
  if ('url' in options && 'redis' in options) throw refused('redis', 'must not be given beside url')
  if ('url' in options) {
    const endpoint = checkHttp(options)
    if (options.verify !== false) await verify(endpoint, signal)
    return createFleet(createHttpTransport(endpoint), { reconnectMs })
  }
  if (typeof options.redis !== 'string') throw refused('url', 'or redis must be given')
  const { redis, tenant = DEFAULT_TENANT, prefix = 'fleet', retentionMs = DAY_MS, jobKey } = options
  if (!TENANT_PATTERN.test(tenant)) throw refused('tenant', 'is not a tenant name')
  const jobKeys = jobKey === undefined ? [] : parseSecretKeys(jobKey)
  if (jobKeys === undefined) throw refused('jobKey', 'is not a key of 32 bytes, in hexadecimal or base64')
  // Loaded here, so that callers over HTTP do not load a queue they do not use.
  const { connectRedisTransport } = await import('./redis/transport.js')
  const connecting = connectRedisTransport({ url: redis, tenant, prefix, retentionMs, jobKeys })
  return createFleet(await untilAborted(connecting, signal), { reconnectMs })
}

/** Asks for something small that only a fleet answers, and only to a key it knows. */
async function verify(endpoint: HttpEndpoint, signal: AbortSignal): Promise<void> {
  const request = { method: 'GET', path: 'v1/jobs', query: { limit: 1 } } as const
  try {
    await sendForJson(endpoint, request, { schema: jobPageSchema, signal, timeoutMs: CONNECT_MS })
  } catch (error) {
    // A key that may enqueue and not read is a good one.
    if (!isFleetError(error) || error.code !== 'FORBIDDEN') throw error
  }
}

/** The connection; one that comes after the signal is closed again. */
async function untilAborted(connecting: Promise<Transport>, signal: AbortSignal): Promise<Transport> {
  try {
    return await until(signal, connecting)
  } catch (error) {
    // Nobody will use it, and nobody hears any more why it could not be made.
    void connecting.then((late) => late.close()).catch(() => undefined)
    throw error
  }
}

function checkHttp({ url, apiKey }: HttpOptions): { base: URL; apiKey: string | undefined } {
  const base = URL.canParse(url) ? new URL(url) : undefined
  if (base === undefined || (base.protocol !== 'http:' && base.protocol !== 'https:')) {
    throw refused('url', 'is not an http:// or https:// address')
  }
  if (base.username !== '' || base.password !== '') throw refused('url', 'must not hold a name or password')
  if (apiKey !== undefined && !/^[\x21-\x7e]{1,512}$/.test(apiKey)) throw refused('apiKey', 'is not an API key')
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  return { base, apiKey }
}

function refused(path: string, message: string): FleetError {
  const errors: FieldFault[] = [{ path, message }]
  return new FleetError('INVALID_REQUEST', `${path} ${message}`, { details: { errors } })
}
