import type { Redis } from 'ioredis'
import type { RedisConnection } from '../types.js'
import { clientOf } from './connect.js'
import { within } from './deadline.js'

const CALL_MS = 4_000
const PINGS = 5

/** What a Redis is and how it is set, as far as it tells. Fields that this user may not read are undefined. */
export interface RedisFacts {
  version: string
  /** `standalone`, `sentinel` or `cluster`. */
  mode: string
  role: string
  /** Median of some round trips, ms. */
  pingMs: number
  /** This host's clock minus Redis's, ms. */
  skewMs: number
  maxmemoryPolicy: string
  /** Bytes; 0: no limit of its own. */
  maxmemory: number
  usedMemory: number
  appendonly: boolean
  /** `always`, `everysec` or `no`. */
  fsync: string | undefined
  /** Hard limit of what waits for one subscriber, bytes; 0: none. */
  subscriberBytes: number | undefined
}

/** Asks a Redis about itself. Rejects with FleetError `UNAVAILABLE` when it does not answer within 4 s. */
export async function inspectRedis(redis: RedisConnection): Promise<RedisFacts> {
  const client = clientOf(redis)
  return within(CALL_MS, read(client), 'Redis did not answer')
}

async function read(client: Redis): Promise<RedisFacts> {
  const info = await client.info()
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim()
  const pings: number[] = []
  for (let count = 0; count < PINGS; count += 1) {
    const sentAt = performance.now()
    await client.ping()
    pings.push(performance.now() - sentAt)
  }
  const before = Date.now()
  const [seconds, micros] = await client.time()
  const here = (before + Date.now()) / 2
  const limits = await setting(client, 'client-output-buffer-limit')
  return {
    version: field('redis_version') ?? 'unknown',
    mode: field('redis_mode') ?? 'unknown',
    role: field('role') ?? 'unknown',
    pingMs: pings.sort((a, b) => a - b)[Math.floor(PINGS / 2)] ?? 0,
    skewMs: Math.round(here - (Number(seconds) * 1_000 + Number(micros) / 1_000)),
    maxmemoryPolicy: field('maxmemory_policy') ?? 'unknown',
    maxmemory: Number(field('maxmemory') ?? 0),
    usedMemory: Number(field('used_memory') ?? 0),
    appendonly: field('aof_enabled') === '1',
    fsync: await setting(client, 'appendfsync'),
    subscriberBytes: limits === undefined ? undefined : Number(/pubsub (\d+)/.exec(limits)?.[1] ?? 0),
  }
}

/** Undefined where this user may not read the configuration, as with hosted Redis. */
async function setting(client: Redis, name: string): Promise<string | undefined> {
  try {
    const [, value] = await client.config('GET', name)
    return value
  } catch {
    return undefined
  }
}
