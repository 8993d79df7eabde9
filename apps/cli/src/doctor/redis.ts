import { isFleetError, isLoopback } from '@claude-fleet/core'
import { connectRedis, inspectRedis, type RedisFacts } from '@claude-fleet/queue'
import type { Check } from '@claude-fleet/worker'

const MIB = 1_024 * 1_024
const SLOW_MS = 20
const SKEW_MS = 5_000
const SUBSCRIBER_BYTES = 8 * MIB

/** Looks at the Redis at `url`. Never rejects. */
export async function checkRedisAt(url: string): Promise<Check[]> {
  try {
    const redis = await connectRedis({ url, name: 'claude-fleet-doctor', mode: 'api' })
    try {
      return [...checksOf(await inspectRedis(redis)), ...checkLine(url)]
    } finally {
      await redis.close()
    }
  } catch (error) {
    const found = isFleetError(error) ? error.message : String(error)
    return [{ name: 'redis', status: 'fail', found, fix: 'redis-cli -u "$REDIS_URL" ping' }]
  }
}

function checksOf(facts: RedisFacts): Check[] {
  const [major = 0, minor = 0] = facts.version.split('.').map(Number)
  const isOld = major < 6 || (major === 6 && minor < 2)
  const set = (name: string, value: string) => `redis-cli CONFIG SET ${name} ${value}`
  const memory = `${Math.round(facts.usedMemory / MIB)} MiB used of ${facts.maxmemory === 0 ? 'no limit' : `${Math.round(facts.maxmemory / MIB)} MiB`}`
  return [
    isOld
      ? bad('redis', `${facts.version}; the fleet needs 6.2 or newer`, 'upgrade Redis')
      : good('redis', `${facts.version}, ${facts.mode}, ${facts.role}`),
    facts.pingMs > SLOW_MS
      ? odd('latency', `${facts.pingMs.toFixed(1)} ms a round trip`, 'put Redis nearer to the workers')
      : good('latency', `${facts.pingMs.toFixed(1)} ms a round trip`),
    facts.maxmemoryPolicy === 'noeviction'
      ? good('maxmemory-policy', facts.maxmemoryPolicy)
      : bad('maxmemory-policy', `${facts.maxmemoryPolicy}: jobs may be evicted`, set('maxmemory-policy', 'noeviction')),
    facts.maxmemory !== 0 && facts.usedMemory > 0.7 * facts.maxmemory
      ? odd('memory of Redis', memory, set('maxmemory', 'BYTES'))
      : good('memory of Redis', memory),
    facts.appendonly
      ? good('persistence', `append-only file, fsync ${facts.fsync ?? 'cannot be read'}`)
      : bad('persistence', 'no append-only file: a crash of Redis loses jobs', set('appendonly', 'yes')),
    ...(facts.fsync === 'no' ? [bad('fsync', 'never by Redis itself', set('appendfsync', 'everysec'))] : []),
    Math.abs(facts.skewMs) > SKEW_MS
      ? bad('clock', `${facts.skewMs} ms off the clock of Redis`, 'timedatectl set-ntp true')
      : good('clock', `${facts.skewMs} ms off the clock of Redis`),
    facts.subscriberBytes !== undefined && facts.subscriberBytes !== 0 && facts.subscriberBytes < SUBSCRIBER_BYTES
      ? odd(
          'subscribers',
          `cut off at ${facts.subscriberBytes} bytes`,
          set('client-output-buffer-limit', "'pubsub 33554432 8388608 60'"),
        )
      : good(
          'subscribers',
          facts.subscriberBytes === undefined
            ? 'limit cannot be read'
            : `cut off at ${Math.round(facts.subscriberBytes / MIB)} MiB`,
        ),
  ]
}

/** What goes over the line: prompts, answers, the password. */
function checkLine(url: string): Check[] {
  if (!url.startsWith('redis://')) return []
  const { hostname } = new URL(url)
  if (isLoopback(hostname.replaceAll(/[[\]]/g, ''))) return []
  return [odd('line to Redis', `not encrypted, to ${hostname}`, 'use rediss:// unless the network is your own')]
}

const good = (name: string, found: string): Check => ({ name, status: 'ok', found })
const odd = (name: string, found: string, fix: string): Check => ({ name, status: 'warn', found, fix })
const bad = (name: string, found: string, fix: string): Check => ({ name, status: 'fail', found, fix })
