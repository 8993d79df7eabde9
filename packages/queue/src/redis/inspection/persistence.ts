import type { Check } from '@claude-fleet/core'
import { infoField } from '../check.js'
import type { RedisFacts } from './inspect.js'
import { unreadable } from './server.js'

/** Does what was acknowledged outlive this Redis? */
export function persistenceChecks(facts: RedisFacts): Check[] {
  const { info } = facts
  if (info === undefined) return []
  const isOn = infoField(info, 'aof_enabled') === '1'
  return [appendOnlyCheck(facts, isOn), ...(isOn ? [fsyncCheck(facts)] : []), ...lastWriteChecks(facts, info)]
}

function appendOnlyCheck({ config, cli }: RedisFacts, isOn: boolean): Check {
  const name = 'redis.appendonly'
  if (isOn) return { name, status: 'ok', found: 'yes' }
  // Hosted ones forbid CONFIG, often have no append-only file to offer, and keep replicas in its place.
  const status = config === undefined ? 'warn' : 'fail'
  const snapshots = config === undefined ? '' : config.get('save') ? ' since its last snapshot' : ' altogether'
  const found = `no: when Redis ends, jobs and results are lost${snapshots}`
  const fix =
    config === undefined
      ? 'turn on the append-only file, or replicas, where this Redis is hosted'
      : `${cli} CONFIG SET appendonly yes   # and in redis.conf, for its next start`
  return { name, status, found, expected: 'yes', fix }
}

function fsyncCheck({ config, cli }: RedisFacts): Check {
  const name = 'redis.appendfsync'
  if (config === undefined) return unreadable(name)
  const mode = config.get('appendfsync') ?? 'unknown'
  if (mode === 'everysec') return { name, status: 'ok', found: 'everysec: a power failure loses about one second' }
  if (mode === 'always') return { name, status: 'ok', found: 'always' }
  const found = `${mode}: a power failure loses what the system had not written, about 30 s`
  const fix = `${cli} CONFIG SET appendfsync everysec   # and in redis.conf, for its next start`
  return { name, status: 'warn', found, expected: 'everysec or always', fix }
}

/** A full disk shows here first; Redis then refuses to write. */
function lastWriteChecks({ cli }: RedisFacts, info: string): Check[] {
  const failing = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'].filter(
    (field) => infoField(info, field) === 'err',
  )
  if (failing.length === 0) return []
  const fix = `df -h "$(${cli} CONFIG GET dir | tail -1)"   # on the host of Redis: is its disk full?`
  return [{ name: 'redis.disk', status: 'fail', found: `${failing.join(', ')}: err`, expected: 'ok', fix }]
}
