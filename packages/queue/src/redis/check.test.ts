import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { checkRedis } from './check.js'
import { clientOf, connectRedis } from './connect.js'
import { parseRedisUrl } from './url.js'

let server: TestRedis
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())

test('a Redis that may evict jobs is refused with the command that mends it', async () => {
  const redis = await connectRedis({ url: server.url, name: 'test', mode: 'api' })
  await checkRedis(redis)
  await clientOf(redis).config('SET', 'maxmemory-policy', 'allkeys-lru')
  await expect(checkRedis(redis)).rejects.toThrow(
    /maxmemory-policy is allkeys-lru.*CONFIG SET maxmemory-policy noeviction/,
  )
  await redis.close()
})

test('a Redis that is not there is said to be so within the time to connect', async () => {
  const connecting = connectRedis({ url: 'unix:///nowhere/redis.sock', name: 'test', mode: 'worker' })
  await expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ENOENT') })
}, 10_000)

test('Redis addresses of every kind are read, and a bad one is named without its password', () => {
  expect(parseRedisUrl('redis://user:p%40ss@host:7000/3')).toMatchObject({
    host: 'host',
    port: 7000,
    db: 3,
    password: 'p@ss',
  })
  expect(parseRedisUrl('rediss://[::1]')).toMatchObject({ host: '::1', port: 6379, db: 0, tls: {} })
  expect(parseRedisUrl('unix:///run/a%20b.sock?db=2')).toMatchObject({ path: '/run/a b.sock', db: 2 })
  expect(parseRedisUrl('redis-sentinel://:pw@one:26379,two/main/1')).toEqual({
    sentinels: [
      { host: 'one', port: 26379 },
      { host: 'two', port: 26379 },
    ],
    name: 'main',
    db: 1,
    password: 'pw',
  })
  for (const url of ['http://:secret@host', 'redis://:secret@host/x', 'nonsense secret']) {
    expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
    expect(() => parseRedisUrl(url)).not.toThrow(/secret/)
  }
})
