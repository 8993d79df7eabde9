import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createProducer } from '../jobs/producer.js'
import { openFleet, QUIET, specOf, TENANT } from '../testing/fleet.js'
import { startTestRedis } from '../testing/redis.js'
import { connectRedis } from './connect.js'
import { inspectRedis } from './inspection/inspect.js'

test('a Redis that comes back without its last moments is told of, with the jobs that are gone; one that lost nothing is not', async () => {
  let server = await startTestRedis()
  const { url, dataDir } = server
  const fleet = await openFleet(url)
  const told: { facts: object; message: string }[] = []
  const log = { ...QUIET, error: (facts: object, message: string) => void told.push({ facts, message }) }
  const redis = await connectRedis({ url, name: 'caller', mode: 'api' })
  const producer = createProducer({ redis, log }, { prefix: fleet.prefix, retentionMs: 60_000 })
  const enqueue = async () => (await producer.enqueue({ tenant: TENANT, spec: specOf() })).job.id
  const isBack = () =>
    expect
      .poll(
        () =>
          redis.ping().then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
  const history = async () =>
    (await inspectRedis({ url, prefix: fleet.prefix, now: Date.now })).find(({ name }) => name === 'redis.history')

  const kept = await enqueue()
  await server.kill()
  server = await startTestRedis({ dataDir })
  await isBack()
  expect(await producer.get(TENANT, kept)).toMatchObject({ state: 'waiting' })
  expect(await history()).toMatchObject({ status: 'ok' })

  // What a power loss leaves: the file as it was a moment ago.
  const [file, copy] = [join(dataDir, 'appendonlydir'), join(dataDir, 'copy')]
  await cp(file, copy, { recursive: true })
  const gone = [await enqueue(), await enqueue()]
  await server.kill()
  await rm(file, { recursive: true })
  await cp(copy, file, { recursive: true })
  server = await startTestRedis({ dataDir })
  await isBack()
  await expect.poll(() => told).toHaveLength(1)
  expect(told[0]).toMatchObject({ facts: { jobs: 2, jobIds: gone }, message: expect.stringContaining('acknowledged') })
  await expect.poll(async () => (await fleet.admin.metrics()).rolledBackJobs).toBe(2)
  expect((await fleet.admin.metrics()).rollbacks).toBe(1)
  expect(await history()).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('2 jobs are known to be gone'),
  })
  expect(await producer.get(TENANT, gone[0] ?? '')).toBeUndefined()
  expect(await producer.get(TENANT, kept)).toMatchObject({ state: 'waiting' })

  await producer.close()
  await redis.close()
  await fleet.close()
  await server.stop()
}, 60_000)
