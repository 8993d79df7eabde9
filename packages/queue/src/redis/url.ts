import { FleetError } from '@claude-fleet/core'
import type { RedisOptions } from 'ioredis'

/** Reads a Redis address. Throws FleetError `INVALID_REQUEST`; the message never holds the password. */
export function parseRedisUrl(url: string): Omit<RedisOptions, 'replyMapping'> {
  if (url.startsWith('/')) return { path: url }
  const parsed = URL.canParse(url.replace(/,.*?(?=\/|$)/, '')) ? new URL(url.replace(/,.*?(?=\/|$)/, '')) : undefined
  if (parsed === undefined) throw new FleetError('INVALID_REQUEST', 'the Redis address is not a URL')
  const login = {
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
  }
  const [first, second] = parsed.pathname.split('/').filter((part) => part !== '')
  switch (parsed.protocol) {
    case 'redis:':
    case 'rediss:':
      return {
        host: parsed.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
        port: Number(parsed.port || 6379),
        db: database(first),
        ...login,
        ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
      }
    case 'unix:':
      return { path: decodeURIComponent(parsed.pathname), db: database(parsed.searchParams.get('db')), ...login }
    case 'redis-sentinel:':
      if (first === undefined) throw new FleetError('INVALID_REQUEST', 'the Redis address lacks the master name')
      return { sentinels: sentinelsOf(url), name: first, db: database(second), ...login }
    default:
      throw new FleetError('INVALID_REQUEST', `a Redis address cannot begin with ${parsed.protocol}`)
  }
}

function sentinelsOf(url: string): { host: string; port: number }[] {
  const authority = url.replace(/^[a-z-]+:\/\//, '').replace(/\/.*$/, '')
  return authority
    .slice(authority.lastIndexOf('@') + 1)
    .split(',')
    .map((address) => {
      const [host = '', port = '26379'] = address.split(':')
      return { host, port: Number(port) }
    })
}

function database(text: string | null | undefined): number {
  if (text === undefined || text === null || text === '') return 0
  if (!/^\d{1,3}$/.test(text)) throw new FleetError('INVALID_REQUEST', 'the database of a Redis address is a number')
  return Number(text)
}
