import type { Socket } from 'node:net'
import { isLoopback, type Check } from '@claude-fleet/core'

/** The address of a Redis without user, password and options. */
export function maskedAddress(url: string): string {
  return url.replace(/^([a-z-]+:\/\/)[^/]*@/i, '$1***@').replace(/\?.*$/, '')
}

/** Is what goes to this Redis safe from those who share the network? Nothing for a socket of this machine. */
export function connectionChecks(url: string): Check[] {
  const hosts = hostsOf(url)
  if (hosts.length === 0) return []
  const remote = hosts.find((host) => !isLoopback(host))
  if (remote === undefined) return [{ name: 'redis.transport', status: 'ok', found: 'loopback' }]
  const hasPassword = /^[a-z-]+:\/\/[^/]*:[^/]+@/i.test(url)
  const login: Check = hasPassword
    ? { name: 'redis.password', status: 'ok', found: 'set' }
    : {
        name: 'redis.password',
        status: 'warn',
        found: 'none, and Redis is on a network',
        expected: 'a password',
        fix: 'set requirepass in redis.conf, and REDIS_URL=rediss://:password@host:port',
      }
  if (url.startsWith('rediss:')) return [{ name: 'redis.transport', status: 'ok', found: 'TLS' }, login]
  const fix = 'give Redis a tls-port and a certificate, then REDIS_URL=rediss://...'
  const found = `plain text to ${remote}: who is on the way can read prompts and results`
  return [{ name: 'redis.transport', status: 'warn', found, expected: 'TLS off loopback', fix }, login]
}

/** What begins a command that a person can run against this Redis. */
export function redisCli(url: string, cli: string, stream: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  if (url.startsWith('unix:')) return `redis-cli -s '${decodeURIComponent(new URL(url).pathname)}'`
  if (url.startsWith('/')) return `redis-cli -s '${url}'`
  if (!url.startsWith('redis-sentinel:')) return cli
  // redis-cli does not ask Sentinels; this is the master that they named just now.
  return `redis-cli -h ${stream.remoteAddress ?? 'MASTER'} -p ${stream.remotePort ?? 6379}`
}

function hostsOf(url: string): string[] {
  const authority = /^(?:rediss?|redis-sentinel):\/\/([^/?]*)/i.exec(url)?.[1]
  if (authority === undefined) return []
  return authority
    .slice(authority.lastIndexOf('@') + 1)
    .split(',')
    .map((host) => host.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))
}
