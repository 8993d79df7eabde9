import { FleetError } from '@claude-fleet/core'
import type { RedisConnection } from '../types.js'
import { clientOf } from './connect.js'
import { within } from './deadline.js'

const CHECK_MS = 5_000
export const MIN_VERSION = [6, 2] as const

/**
 * Is this Redis fit to hold jobs? Rejects with FleetError `CONFLICT` and one sentence that names what to change:
 * a server older than 6.2, or a `maxmemory-policy` that may evict jobs. `UNAVAILABLE` when Redis does not answer.
 */
export async function checkRedis(redis: RedisConnection): Promise<void> {
  const client = clientOf(redis)
  const info = await within(CHECK_MS, client.info(), 'Redis did not answer')
  const version = infoField(info, 'redis_version')
  if (isTooOld(version)) {
    throw new FleetError('CONFLICT', `Redis is version ${version}; the fleet needs ${MIN_VERSION.join('.')} or newer`)
  }
  // INFO has it too, so it works where a hosted Redis forbids CONFIG.
  const policy = infoField(info, 'maxmemory_policy')
  if (policy !== 'noeviction') {
    throw new FleetError(
      'CONFLICT',
      `Redis may evict jobs: maxmemory-policy is ${policy}. Run: redis-cli CONFIG SET maxmemory-policy noeviction`,
    )
  }
}

/** Is a version of Redis older than the fleet needs? */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1])
}

/** A field of a reply to INFO; `unknown` when it is not there. */
export function infoField(info: string, name: string): string {
  const line = info.split(/\r?\n/).find((candidate) => candidate.startsWith(`${name}:`))
  return line === undefined ? 'unknown' : line.slice(name.length + 1).trim()
}
