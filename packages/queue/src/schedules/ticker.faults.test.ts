import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { EVERY_SECOND, openScheduledFleet, YEARLY, type ScheduledFleet } from '../testing/schedules.js'

let server: TestRedis
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())

const poll = <T>(read: () => Promise<T>) => expect.poll(read, { interval: 10, timeout: 10_000 })

async function withFleet(use: (fleet: ScheduledFleet) => Promise<void>): Promise<void> {
  const fleet = await openScheduledFleet(server.url)
  try {
    await use(fleet)
  } finally {
    await fleet.close()
  }
}

test('schedules outlive a Redis that is killed, and no time makes two jobs', async () => {
  let own = await startTestRedis()
  let fleet = await openScheduledFleet(own.url)
  const { prefix } = fleet
  const id = await fleet.create({ cron: EVERY_SECOND, overlap: 'allow' })
  await fleet.startTicker()
  await poll(async () => (await fleet.history(id)).length).toBeGreaterThanOrEqual(1)
  const asked = await fleet.client.config('SET', 'appendfsync', 'always')
  expect(asked).toBe('OK')
  await fleet.history(id)
  await own.kill()
  await fleet.close()
  own = await startTestRedis({ dataDir: own.dataDir })
  fleet = await openScheduledFleet(own.url, { prefix })
  const before = (await fleet.history(id)).length
  await fleet.startTicker()
  await poll(async () => (await fleet.history(id)).length).toBeGreaterThan(before + 1)
  const times = (await fleet.history(id)).map(({ at }) => at)
  expect(new Set(times).size).toBe(times.length)
  await fleet.close()
  await own.stop()
})

test('a scheduler that is lost, moved, foreign or left over is mended', async () => {
  await withFleet(async (fleet) => {
    const { client, keys, prefix, ticks } = fleet
    const [lost, jobless, ahead, other, paused, broken] = (await Promise.all(
      Array.from({ length: 6 }, () => fleet.create()),
    )) as [string, string, string, string, string, string]
    const expected = Number(await client.zscore(keys.ticks, lost))
    await ticks.removeJobScheduler(lost)
    await client.zadd(keys.ticks, Date.now() - 60_000, jobless)
    await client.zrem(`${prefix}:ticks:delayed`, `repeat:${jobless}:${expected}`)
    await client.del(`${keys.tick(jobless)}:${expected}`)
    // As a worker whose clock was ahead leaves it.
    const clock = vi.spyOn(Date, 'now').mockReturnValue(expected + 1)
    await ticks.upsertJobScheduler(ahead, { pattern: YEARLY, tz: 'UTC' }, { name: 'tick', data: { v: 1, timing: 1 } })
    clock.mockRestore()
    expect(Number(await client.zscore(keys.ticks, ahead))).toBeGreaterThan(expected)
    await ticks.upsertJobScheduler(
      other,
      { pattern: '0 0 3 1 *', tz: 'UTC' },
      { name: 'tick', data: { v: 1, timing: 1 } },
    )
    await client.hset(keys.schedule(paused), 'enabled', '0')
    await client.hset(keys.schedule(broken), 'overlap', 'nonsense')
    const nobody = `c_${'a'.repeat(26)}`
    await ticks.upsertJobScheduler(nobody, { pattern: YEARLY, tz: 'UTC' }, { name: 'tick', data: {} })
    await fleet.startTicker()
    const next = async (id: string) => Number(await client.zscore(keys.ticks, id))
    await poll(async () => [await next(lost), await next(jobless), await next(ahead), await next(other)]).toEqual(
      Array.from({ length: 4 }, () => expected),
    )
    await poll(() => client.zmscore(keys.ticks, paused, nobody)).toEqual([null, null])
    expect(await client.exists(...[lost, jobless, ahead, other].map((id) => `${keys.tick(id)}:${expected}`))).toBe(4)
  })
})

test('a ticker stops within seconds when Redis is gone', { timeout: 20_000 }, async () => {
  const own = await startTestRedis()
  const fleet = await openScheduledFleet(own.url)
  const ticker = await fleet.startTicker()
  await own.kill()
  expect(await ticker.stop()).toBeUndefined()
  await fleet.close()
  await own.stop()
})
