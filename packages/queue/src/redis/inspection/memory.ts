import type { Check } from '@claude-fleet/core'
import { infoField } from '../check.js'
import type { RedisFacts } from './inspect.js'

const MIB = 1_024 * 1_024
/** Of its limit: what a rewrite of the append-only file and a burst of jobs may need. */
const HEAD_ROOM = 0.3

/** Can jobs be thrown away, or new ones be refused, for want of memory? */
export function memoryChecks({ info, cli }: RedisFacts): Check[] {
  if (info === undefined) return []
  const policy = infoField(info, 'maxmemory_policy')
  const check: Check =
    policy === 'noeviction'
      ? { name: 'redis.maxmemory-policy', status: 'ok', found: policy }
      : {
          name: 'redis.maxmemory-policy',
          status: 'fail',
          found: `${policy}: jobs and results may be thrown away`,
          expected: 'noeviction',
          fix: `${cli} CONFIG SET maxmemory-policy noeviction   # and in redis.conf, for its next start`,
        }
  return [check, limitCheck(info, cli)]
}

function limitCheck(info: string, cli: string): Check {
  const name = 'redis.maxmemory'
  const [limit, used, total] = ['maxmemory', 'used_memory', 'total_system_memory'].map((field) =>
    Number(infoField(info, field)),
  ) as [number, number, number]
  const raise = (bytes: number) => `${cli} CONFIG SET maxmemory ${Math.ceil(bytes / MIB)}mb   # and in redis.conf`
  if (limit === 0) {
    const found = `no limit; ${mb(used)} in use: a host that runs out of memory ends Redis`
    // A rewrite of the append-only file may need as much again.
    return { name, status: 'warn', found, expected: 'a limit', fix: raise((total || 2_048 * MIB) / 2) }
  }
  const found = `${mb(limit)}; ${mb(used)} in use`
  const expected = `${HEAD_ROOM * 100} % free`
  if (used <= limit * (1 - HEAD_ROOM)) return { name, status: 'ok', found }
  const fix = `${raise(Math.max(limit * 2, used * 2))}, or lower FLEET_RETENTION_MS`
  // Near the limit Redis refuses new jobs; those that run still end.
  return { name, status: used > limit * 0.95 ? 'fail' : 'warn', found, expected, fix }
}

const mb = (bytes: number) => `${Math.round(bytes / MIB)} MB`
