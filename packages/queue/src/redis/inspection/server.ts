import type { Check } from '@claude-fleet/core'
import { infoField, isTooOld, MIN_VERSION } from '../check.js'
import type { RedisFacts } from './inspect.js'

const MIB = 1_024 * 1_024
/** What Redis has by default: a subscriber that reads nothing is cut off at 32 MB, or after 60 s above 8 MB. */
const PUBSUB_LIMIT = '32mb 8mb 60'

/** Version, role, and the limits of connections. */
export function serverChecks(facts: RedisFacts): Check[] {
  return [...identityChecks(facts), pubsubCheck(facts), timeoutCheck(facts)]
}

function identityChecks({ info, cli }: RedisFacts): Check[] {
  if (info === undefined) {
    const found = 'INFO is not allowed to this user, and a worker does not start without it'
    return [
      { name: 'redis.version', status: 'fail', found, fix: `${cli} ACL SETUSER NAME +info   # as an administrator` },
    ]
  }
  const version = infoField(info, 'redis_version')
  const role = infoField(info, 'role')
  const needed = `${MIN_VERSION.join('.')} or newer`
  const checks: Check[] = [
    isTooOld(version)
      ? { name: 'redis.version', status: 'fail', found: version, expected: needed, fix: `install Redis ${needed}` }
      : { name: 'redis.version', status: 'ok', found: version },
  ]
  if (role !== 'master') {
    const fix = `set REDIS_URL to its master, ${infoField(info, 'master_host')}:${infoField(info, 'master_port')}`
    checks.push({
      name: 'redis.role',
      status: 'fail',
      found: role,
      expected: 'master: a replica cannot be written',
      fix,
    })
  }
  return checks
}

function pubsubCheck({ config, cli }: RedisFacts): Check {
  const name = 'redis.client-output-buffer-limit'
  if (config === undefined) return unreadable(name)
  const [, hard, soft, seconds] = /pubsub (\d+) (\d+) (\d+)/.exec(config.get('client-output-buffer-limit') ?? '') ?? []
  const found = `pubsub ${hard} ${soft} ${seconds}`
  const fix = `${cli} CONFIG SET client-output-buffer-limit "pubsub ${PUBSUB_LIMIT}"   # and in redis.conf`
  const expected = `pubsub ${PUBSUB_LIMIT}`
  if (hard === '0' && soft === '0') {
    return { name, status: 'warn', found: `${found}: a reader that stands still fills the memory`, expected, fix }
  }
  if (hard !== '0' && Number(hard) < 32 * MIB) {
    return { name, status: 'warn', found: `${found}: slow readers of events are cut off early`, expected, fix }
  }
  return { name, status: 'ok', found }
}

function timeoutCheck({ config, cli }: RedisFacts): Check {
  const name = 'redis.timeout'
  if (config === undefined) return unreadable(name)
  const seconds = config.get('timeout') ?? 'unknown'
  if (seconds === '0') return { name, status: 'ok', found: '0' }
  const found = `connections that are quiet for ${seconds} s are closed`
  return { name, status: 'warn', found, expected: '0', fix: `${cli} CONFIG SET timeout 0   # and in redis.conf` }
}

/** For what only CONFIG can tell. */
export function unreadable(name: string): Check {
  return { name, status: 'skipped', found: 'cannot be read: CONFIG is not allowed to this user' }
}
