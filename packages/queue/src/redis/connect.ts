import { FleetError } from '@claude-fleet/core'
import { Redis, type RedisOptions } from 'ioredis'
import type { Log, RedisConnection } from '../types.js'
import { within } from './deadline.js'
import { defineScripts } from './scripts.js'
import { createSubscriptions, type Subscriptions } from './subscriptions.js'
import { parseRedisUrl } from './url.js'

const CONNECT_MS = 5_000
const PING_MS = 2_000
/** A little over the longest deadline of a caller, so that the deadline is what the caller hears. */
const API_COMMAND_MS = 25_000
const MAX_RECONNECT_MS = 2_000

export interface ConnectOptions {
  /** `redis://`, `rediss://`, `unix:///path.sock`, or `redis-sentinel://host:port,host:port/master-name/db`. */
  url: string
  /** Shown by `CLIENT LIST`. */
  name: string
  log?: Log | undefined
  /**
   * `api`: a command fails at once while Redis is away, and what was in flight at the cut is not sent again.
   * `worker`: commands wait for Redis to come back; each caller has its own limit.
   */
  mode: 'api' | 'worker'
}

/**
 * Connects to Redis and waits until it answers, at most 5 s. Rejects with FleetError `UNAVAILABLE` when it does not, and
 * with `INVALID_REQUEST` when the address cannot be read.
 */
export async function connectRedis({ url, name, log, mode }: ConnectOptions): Promise<RedisConnection> {
  const options: Omit<RedisOptions, 'replyMapping'> = {
    ...parseRedisUrl(url),
    connectionName: name,
    lazyConnect: true,
    // BullMQ's blocking connection is a duplicate of this one and must never give up.
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT_MS,
    retryStrategy: reconnectMs,
    ...(mode === 'api'
      ? { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, commandTimeout: API_COMMAND_MS }
      : {}),
  }
  const client = new Redis(options)
  let lastFault: unknown
  client.on('error', (cause: Error) => {
    if (lastFault === undefined) log?.warn({ err: cause }, 'redis connection failed')
    lastFault = cause
  })
  client.on('ready', () => (lastFault = undefined))
  defineScripts(client)
  try {
    await within(CONNECT_MS, client.connect(), 'Redis did not answer')
  } catch (cause) {
    client.disconnect()
    throw new FleetError('UNAVAILABLE', `Redis cannot be reached: ${reason(lastFault ?? cause)}`, { cause })
  }
  return register(client, log)
}

/** Up to half of it is chance: clients that were lost at one moment must not come back at one. */
function reconnectMs(times: number): number {
  const most = Math.min(50 * 2 ** Math.min(times, 10), MAX_RECONNECT_MS)
  return Math.round(most * (0.5 + Math.random() / 2))
}

/** The client behind a connection, for this package alone. */
export function clientOf(redis: RedisConnection): Redis {
  return insideOf(redis).client
}

/** The one subscriber connection that belongs to a connection. Opened at the first subscription. */
export function subscriptionsOf(redis: RedisConnection): Subscriptions {
  return insideOf(redis).subscriptions
}

interface Inside {
  client: Redis
  subscriptions: Subscriptions
}

const insides = new WeakMap<RedisConnection, Inside>()

function insideOf(redis: RedisConnection): Inside {
  const inside = insides.get(redis)
  if (inside === undefined) throw new FleetError('INTERNAL', 'the connection was not made by connectRedis')
  return inside
}

function register(client: Redis, log: Log | undefined): RedisConnection {
  const subscriptions = createSubscriptions(client, log)
  const redis: RedisConnection = {
    async ping() {
      const sentAt = performance.now()
      await within(PING_MS, client.ping(), 'Redis did not answer')
      return performance.now() - sentAt
    },
    async close() {
      subscriptions.close()
      // QUIT lets replies in flight arrive; without Redis there is none to wait for.
      if (client.status === 'ready') await within(PING_MS, client.quit(), 'QUIT').catch(() => undefined)
      client.disconnect()
    },
  }
  insides.set(redis, { client, subscriptions })
  return redis
}

function reason(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault)
}
