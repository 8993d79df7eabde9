import { afterEach, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, TENANT, typesOf, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

let server: TestRedis
let fleet: TestFleet
beforeEach(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
})
afterEach(async () => {
  await fleet.close()
  await server.stop()
})

test('a delayed job says when it runs, and runs then and not before', async () => {
  let startedAt = 0
  await fleet.consume(async (claim) => {
    startedAt = Date.now()
    return completed(claim)
  })
  const job = await fleet.enqueue({ delayMs: 700 })
  expect(job).toMatchObject({ state: 'delayed', runsAt: job.createdAt + 700 })
  const ended = await fleet.ended(job.id)
  expect(startedAt).toBeGreaterThanOrEqual(job.createdAt + 700 - 250)
  expect(ended).toMatchObject({ state: 'completed', attempt: 1 })
  expect(ended).not.toHaveProperty('runsAt')
  // The wait that its caller asked for is none of the queue's.
  expect(ended?.result?.queueMs).toBeLessThan(700)
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'completed'])
})

test('a delayed job that is cancelled ends at once and is not in the queue any more', async () => {
  const job = await fleet.enqueue({ delayMs: 60_000 })
  expect(await fleet.producer.cancel(TENANT, job.id, 'enough')).toBe('cancelling')
  const view = await fleet.producer.get(TENANT, job.id)
  expect(view).toMatchObject({ state: 'cancelled', attempt: 0 })
  expect(view).not.toHaveProperty('runsAt')
  expect(await fleet.client.zcard(fleet.keys.bull('delayed'))).toBe(0)
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'cancelled'])
})

test('a delay outlives a Redis that is killed and a worker that is another', async () => {
  await fleet.client.config('SET', 'appendfsync', 'always')
  const first = await fleet.consume(async (claim) => completed(claim))
  const job = await fleet.enqueue({ delayMs: 2_000 })
  await first.stop(0)
  const { prefix } = fleet
  await server.kill()
  await fleet.close()
  server = await startTestRedis({ dataDir: server.dataDir })
  fleet = await openFleet(server.url, { prefix })
  expect(await fleet.producer.get(TENANT, job.id)).toMatchObject({ runsAt: job.runsAt })
  let startedAt = 0
  await fleet.consume(
    async (claim) => {
      startedAt = Date.now()
      return completed(claim)
    },
    { workerId: 'w2' },
  )
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'completed', attempt: 1, worker: 'w2' })
  expect(startedAt).toBeGreaterThanOrEqual(job.createdAt + 2_000 - 250)
})
