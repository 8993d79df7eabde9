import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, QUIET, specOf, TENANT, type TestFleet } from '../testing/fleet.js'
import { runScript } from '../redis/scripts.js'
import { createJanitor } from './janitor.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url, { retentionMs: 1_500 })))
afterEach(() => fleet.close())

test('after retention nothing is left of ended jobs but the stated fixed keys', async () => {
  const { client, producer, prefix } = fleet
  const consumer = await fleet.consume(async (claim) => {
    claim.write({ type: 'text', text: 'hello' })
    return completed(claim)
  })
  const { id: session } = await fleet.session()
  const done = await producer.enqueue({ tenant: TENANT, spec: specOf({ session }), idempotencyKey: 'k' })
  const batch = await producer.enqueueBatch({
    tenant: TENANT,
    items: [{ spec: specOf() }, { spec: specOf({ delayMs: 60_000 }) }],
  })
  await fleet.ended(done.job.id)
  await fleet.ended(batch.items[0]?.id ?? '')
  await producer.cancel(TENANT, batch.items[1]?.id ?? '', 'gone')
  await fleet.sessions.close(TENANT, session)
  await consumer.stop(0)
  // They end one after another, so more than one pass may take them.
  let removed = 0
  await expect
    .poll(
      async () => {
        removed += (await fleet.janitor.sweep()).removed
        return [removed, await client.exists(fleet.keys.session(session))]
      },
      { interval: 300, timeout: 20_000 },
    )
    .toEqual([4, 0])
  const left = (await client.keys(`${prefix}:*`)).map((key) => key.slice(prefix.length + 1)).sort()
  const minute = /^(stats|spent):acme:\d+$/
  expect(left.filter((key) => !minute.test(key) && !key.startsWith('idem:'))).toEqual(
    [
      'counters',
      'metrics',
      'prompts:events',
      'prompts:id',
      'prompts:meta',
      'reaper',
      'session-counts',
      'tenants',
      'totals:acme',
    ].filter((key) => left.includes(key)),
  )
  for (const key of left.filter((name) => minute.test(name) || name.startsWith('idem:'))) {
    expect(await client.pttl(`${prefix}:${key}`)).toBeGreaterThan(0)
  }
  expect(await producer.get(TENANT, done.job.id)).toBeUndefined()
}, 30_000)

test('a record whose producer died before the job was in the queue fails after a minute, and a placed job does not', async () => {
  const { client, keys } = fleet
  const lost = await fleet.enqueue()
  const placed = await fleet.enqueue()
  await client.multi().del(keys.bullJob(lost.id)).lrem(keys.bull('wait'), 0, lost.id).exec()
  const longAgo = Date.now() - 61_000
  await client.zadd(keys.unplaced, longAgo, lost.id, longAgo, placed.id)
  expect((await fleet.janitor.sweep()).repaired).toBe(1)
  expect(await fleet.producer.get(TENANT, lost.id)).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } })
  expect((await fleet.producer.get(TENANT, placed.id))?.state).toBe('waiting')
  expect(await client.zcard(keys.unplaced)).toBe(0)
})

test('a delayed job whose time has come is shown and counted as waiting', async () => {
  const job = await fleet.enqueue({ delayMs: 50 })
  await expect.poll(async () => (await fleet.admin.countsByState(TENANT)).waiting).toBe(1)
  expect((await fleet.producer.get(TENANT, job.id))?.state).toBe('waiting')
})

test('a job that ended while its producer died is taken out of the queue, and its prompt kept for a retry', async () => {
  const { client, keys } = fleet
  const job = await fleet.enqueue({ delayMs: 60_000, priority: 3 })
  // The seal alone, as a crash before the removal leaves it, a while ago.
  await runScript(client, 'fleetCancel', keys.job(job.id), [keys.prefix, job.id, TENANT, 'gone', 60_000])
  await client.zadd(keys.ended, Date.now() - 11_000, `${job.id}|${TENANT}||`)
  const keeper = createJanitor({ redis: fleet.redis, log: QUIET }, { prefix: keys.prefix, retentionMs: 60_000 })
  expect(await keeper.sweep()).toEqual({ removed: 0, repaired: 1 })
  expect(await keeper.sweep()).toEqual({ removed: 0, repaired: 0 })
  await keeper.stop()
  expect(await client.exists(keys.bullJob(job.id))).toBe(0)
  expect(await fleet.producer.retry(TENANT, job.id)).toMatchObject({ state: 'delayed', retryOf: job.id })
})

test('a schedule that somebody wrote into the queue is told of, and nothing comes of it', async () => {
  const { client, keys, redis } = fleet
  await client.zadd(keys.bull('repeat'), Date.now(), 'planted')
  const told: string[] = []
  const log = { ...QUIET, error: (_facts: object, message: string) => void told.push(message) }
  const keeper = createJanitor({ redis, log }, { prefix: keys.prefix, retentionMs: 60_000 })
  await keeper.sweep()
  await keeper.stop()
  expect(told).toEqual(['somebody wrote a schedule into the queue; the fleet makes none'])
})
