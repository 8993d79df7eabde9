import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestFleet, startTestRedis } from './testing/fleet.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

test('over HTTP an operator sees the workers and the figures, and drains a worker', async () => {
  await using fleet = await openTestFleet(redis.url)
  const { draining } = await fleet.register('w7')
  const client = await fleet.connect('http')
  await fleet.work()
  await (await client.enqueue({ prompt: 'echo one' })).result()
  expect(await client.workers()).toMatchObject([{ id: 'w7', host: 'host', limit: 4, credentials: ['default'] }])
  expect(await client.stats()).toMatchObject({ jobs: { completed: 1, failed: 0 }, costUsd: 0.25 })
  for (const id of ['not-there', '../stats', '']) {
    await expect(client.drainWorker(id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  }
  await client.drainWorker('w7')
  await expect(draining).resolves.toBeUndefined()
})

test.each(['http', 'redis'] as const)('over %s a stream that breaks off is told of once, and goes on', async (kind) => {
  await using fleet = await openTestFleet(redis.url)
  const client = await fleet.connect(kind)
  const job = await client.enqueue({ prompt: 'echo one' })
  let told = 0
  const types: string[] = []
  for await (const event of job.events({ onInterruption: () => (told += 1) })) {
    types.push(event.type)
    if (event.seq === 1) await fleet.restartApi(() => fleet.work())
  }
  expect(types).toEqual(['queued', 'started', 'text', 'completed'])
  expect(told).toBe(kind === 'http' ? 1 : 0)
})
