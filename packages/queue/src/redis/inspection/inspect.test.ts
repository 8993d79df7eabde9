import { checkSchema, type Check } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestRedis, type TestRedis } from '../../testing/redis.js'
import { clientOf, connectRedis } from '../connect.js'
import { maskedAddress, connectionChecks, redisCli } from './connection.js'
import { inspectRedis } from './inspect.js'
import { memoryChecks } from './memory.js'
import { serverChecks } from './server.js'

let server: TestRedis
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())

async function inspect(url = server.url, now = Date.now): Promise<Map<string, Check>> {
  const checks = checkSchema.array().parse(await inspectRedis({ url, prefix: 'fleet', now }))
  return new Map(checks.map((check) => [check.name, check]))
}

/** Runs commands as an administrator of the Redis of this file. */
async function administer(...commands: (readonly string[])[]): Promise<void> {
  const redis = await connectRedis({ url: server.url, name: 'test', mode: 'api' })
  for (const [command = '', ...args] of commands) await clientOf(redis).call(command, ...args)
  await redis.close()
}

test('a Redis as the fleet wants it has nothing wrong, and says what it is', async () => {
  await administer(['CONFIG', 'SET', 'maxmemory', '512mb'])
  const checks = await inspect()
  expect([...checks.values()].filter(({ status }) => status !== 'ok')).toEqual([])
  expect(checks.get('redis.reachable')?.found).toMatch(
    /^unix:\S+ answers in [\d.]+ ms \(median of 10; longest [\d.]+ ms\)$/,
  )
  expect(checks.get('redis.version')?.found).toMatch(/^\d+\.\d+\.\d+$/)
  expect(checks.get('redis.appendfsync')?.found).toContain('everysec')
  expect(checks.get('redis.clock')?.found).toBe('as Redis')
})

test('what may lose jobs is said with the command that mends it, and the command does', async () => {
  const wrong = [
    ['maxmemory-policy', 'allkeys-lru'],
    ['appendonly', 'no'],
    ['appendfsync', 'no'],
    ['client-output-buffer-limit', 'pubsub 1mb 1mb 10'],
    ['timeout', '300'],
    ['maxmemory', '0'],
  ] as const
  await administer(...wrong.map(([name, value]) => ['CONFIG', 'SET', name, value]))
  const found = await inspect()
  const statuses = Object.fromEntries(wrong.map(([name]) => [name, found.get(`redis.${name}`)?.status]))
  // Without the file its fsync mode says nothing.
  expect(statuses).toEqual({
    'maxmemory-policy': 'fail',
    appendonly: 'fail',
    appendfsync: undefined,
    'client-output-buffer-limit': 'warn',
    timeout: 'warn',
    maxmemory: 'warn',
  })
  const mend = async (checks: Map<string, Check>) => {
    for (const { fix = '' } of [...checks.values()].filter(({ status }) => status !== 'ok')) {
      const [, name = '', value = ''] =
        /^redis-cli -s '\S+' CONFIG SET (\S+) (.*?) {3}# and in redis\.conf/.exec(fix) ?? []
      await administer(['CONFIG', 'SET', name, value.replaceAll('"', '')])
    }
  }
  await mend(found)
  const second = await inspect()
  expect(second.get('redis.appendfsync')).toMatchObject({ status: 'warn', found: expect.stringContaining('no:') })
  await mend(second)
  expect([...(await inspect()).values()].filter(({ status }) => status !== 'ok')).toEqual([])
})

test('a user without CONFIG is told what cannot be read, and that is no failure', async () => {
  await administer(['ACL', 'SETUSER', 'hosted', 'on', '>pass-of-hosted', 'allkeys', 'allchannels', '+@all', '-config'])
  const checks = await inspect(server.url.replace('unix://', 'unix://hosted:pass-of-hosted@localhost'))
  const skipped = [...checks.values()].filter(({ status }) => status === 'skipped').map(({ name }) => name)
  expect(skipped).toEqual(['redis.client-output-buffer-limit', 'redis.timeout', 'redis.appendfsync'])
  expect(checks.get('redis.timeout')?.found).toMatch(/^cannot be read/)
  expect(checks.get('redis.maxmemory-policy')).toMatchObject({ status: 'ok', found: 'noeviction' })
  expect([...checks.values()].filter(({ status }) => status === 'fail')).toEqual([])
  expect(JSON.stringify([...checks.values()])).not.toContain('pass-of-hosted')
})

test('a user who may not use the keys or channels of the fleet is told which rights are missing, and they are enough', async () => {
  const url = server.url.replace('unix://', 'unix://narrow:pass@localhost')
  await administer(['ACL', 'SETUSER', 'narrow', 'on', '>pass', '~other:*', 'resetchannels', '+@all'])
  const refused = (await inspect(url)).get('redis.access')
  expect(refused).toMatchObject({
    status: 'fail',
    found: 'this user may not use keys, channels of the fleet',
    fix: expect.stringMatching(/ACL SETUSER NAME '~fleet:\*' '&fleet:\*' /),
  })
  const rights = [...(refused?.fix ?? '').matchAll(/'([^']*fleet:\*)'/g)].map(([, right = '']) => right)
  await administer(['ACL', 'SETUSER', 'narrow', ...rights])
  expect((await inspect(url)).get('redis.access')?.status).toBe('ok')
})

test('a clock more than five seconds away is wrong, whichever of the two it is', async () => {
  expect((await inspect(server.url, () => Date.now() + 4_000)).get('redis.clock')?.status).toBe('ok')
  const ahead = (await inspect(server.url, () => Date.now() + 60_000)).get('redis.clock')
  expect(ahead).toMatchObject({ status: 'fail', found: '60.0 s ahead of Redis', fix: expect.stringContaining('ntp') })
  const behind = (await inspect(server.url, () => Date.now() - 60_000)).get('redis.clock')
  expect(behind?.found).toBe('60.0 s behind Redis')
})

test('a Redis that is away, refuses the login or stands still is one failed check, in less than ten seconds', async () => {
  const away = await inspect('redis://:secret-password@127.0.0.1:1')
  expect([...away.values()]).toEqual([
    expect.objectContaining({
      name: 'redis.reachable',
      status: 'fail',
      found: expect.stringMatching(/^redis:\/\/\*\*\*@127\.0\.0\.1:1: .*ECONNREFUSED/),
      fix: 'redis-cli -u "$REDIS_URL" PING',
    }),
  ])
  await administer(['ACL', 'SETUSER', 'other', 'on', '>right'])
  const login = await inspect(server.url.replace('unix://', 'unix://other:secret-password@localhost'))
  expect(login.get('redis.reachable')).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('user and password'),
  })
  process.kill(server.pid, 'SIGSTOP')
  const startedAt = performance.now()
  const frozen = await inspect().finally(() => process.kill(server.pid, 'SIGCONT'))
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  expect([...frozen.values()]).toMatchObject([{ name: 'redis.reachable', status: 'fail' }])
  expect(JSON.stringify([...away.values(), ...login.values()])).not.toContain('secret-password')
}, 30_000)

test('a Redis that is too old, a replica, or full is told from what it says', () => {
  const info = [
    'redis_version:6.0.16',
    'role:slave',
    'master_host:10.0.0.7',
    'master_port:6379',
    'maxmemory_policy:noeviction',
    'maxmemory:104857600',
    'used_memory:104000000',
  ].join('\r\n')
  const facts = { info, config: undefined, cli: 'redis-cli' }
  expect(serverChecks(facts).slice(0, 2)).toMatchObject([
    { name: 'redis.version', status: 'fail', found: '6.0.16', expected: '6.2 or newer' },
    { name: 'redis.role', status: 'fail', fix: expect.stringContaining('10.0.0.7:6379') },
  ])
  expect(memoryChecks(facts)[1]).toMatchObject({ status: 'fail', found: '100 MB; 99 MB in use' })
})

test('plain text and no password are said off loopback only', () => {
  const statuses = (url: string) => connectionChecks(url).map(({ name, status }) => `${name.slice(6)} ${status}`)
  expect(statuses('unix:///run/redis.sock')).toEqual([])
  expect(statuses('redis://localhost:6379')).toEqual(['transport ok'])
  expect(statuses('redis://[::1]:6379/2')).toEqual(['transport ok'])
  expect(statuses('redis://redis.internal')).toEqual(['transport warn', 'password warn'])
  expect(statuses('rediss://:p@redis.internal')).toEqual(['transport ok', 'password ok'])
  expect(statuses('redis-sentinel://:p@127.0.0.1:1,b:2/main')).toEqual(['transport warn', 'password ok'])
  expect(maskedAddress('redis-sentinel://u:p@ss@a:1,b:2/main?x=p')).toBe('redis-sentinel://***@a:1,b:2/main')
  const stream = { remoteAddress: '10.0.0.7', remotePort: 6380 }
  expect(redisCli('redis-sentinel://a:1/main', 'cli', stream)).toBe('redis-cli -h 10.0.0.7 -p 6380')
})
