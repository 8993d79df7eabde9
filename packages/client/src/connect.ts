import { DEFAULT_TENANT, FleetError, TENANT_PATTERN, type FieldFault } from '@claude-fleet/core'
import { createFleet, type FleetClient as Client } from './fleet.js'
import { createHttpTransport } from './http/transport.js'

const DAY_MS = 86_400_000
const RECONNECT_MS = 300_000

interface SharedOptions {
  /** How long `events` and `result` go on asking a fleet that was there and is away, ms. Default 300,000. */
  reconnectMs?: number | undefined
}

/** Over HTTP, to the API. */
export interface HttpOptions extends SharedOptions {
  /** Address of the API, such as `http://127.0.0.1:3000`. May have a path. */
  url: string
  apiKey?: string | undefined
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
}

export type ConnectOptions = HttpOptions | RedisOptions

export type FleetClient = Client

export const FleetClient = { connect }

/**
 * A client of the fleet. Over HTTP nothing is sent yet, so a wrong address shows at the first call; over Redis the
 * connection is made here. Rejects with FleetError: `INVALID_REQUEST` for options that cannot be, `UNAVAILABLE` when
 * Redis does not answer.
 */
async function connect(options: ConnectOptions): Promise<Client> {
  const { reconnectMs = RECONNECT_MS } = options
  if ('url' in options && 'redis' in options) throw refused('redis', 'must not be given beside url')
  if ('url' in options) return createFleet(createHttpTransport(checkHttp(options)), { reconnectMs })
  if (typeof options.redis !== 'string') throw refused('url', 'or redis must be given')
  const { redis, tenant = DEFAULT_TENANT, prefix = 'fleet', retentionMs = DAY_MS } = options
  if (!TENANT_PATTERN.test(tenant)) throw refused('tenant', 'is not a tenant name')
  // Loaded here, so that callers over HTTP do not load a queue they do not use.
  const { connectRedisTransport } = await import('./redis/transport.js')
  return createFleet(await connectRedisTransport({ url: redis, tenant, prefix, retentionMs }), { reconnectMs })
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
