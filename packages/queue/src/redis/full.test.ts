import { jobSpecSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSchedules } from '../schedules/schedules.js'
import { completed, openFleet, QUIET, specOf, started, TENANT, typesOf, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
})
afterAll(async () => {
  await fleet.client.config('SET', 'maxmemory', '0')
  await fleet.close()
  await server.stop()
})

/** What is in Redis but BullMQ's own marks and the notes of the time of day. */
const keysOfJobs = async () => (await fleet.client.keys(`${fleet.prefix}:*`)).sort()

test('out of memory, what would bring work is refused whole, what runs goes on, and the rest waits', async () => {
  const schedules = createSchedules({ redis: fleet.redis, log: QUIET }, { prefix: fleet.prefix, retentionMs: 60_000 })
  let goOn = () => {}
  const told = new Promise<void>((resolve) => (goOn = resolve))
  const running = await fleet.enqueue({ prompt: 'running' })
  const began: string[] = []
  await fleet.consume(
    async (claim) => {
      began.push(claim.jobId)
      claim.write(started)
      if (claim.jobId === running.id) await told
      claim.write({ type: 'text', text: 'x'.repeat(100_000) })
      return completed(claim)
    },
    { concurrency: 1 },
  )
  const waiting = await fleet.enqueue({ prompt: 'waiting' })
  const unwanted = await fleet.enqueue({ prompt: 'cancelled while it waits' })
  await expect.poll(() => began).toEqual([running.id])
  const before = await keysOfJobs()
  await fleet.client.config('SET', 'maxmemory', '1')

  const full = { code: 'UNAVAILABLE', details: { detail: expect.stringMatching(/^Redis is out of memory/) } }
  const spec = specOf()
  const { producer } = fleet
  await expect(producer.enqueue({ tenant: TENANT, spec, idempotencyKey: 'k' })).rejects.toMatchObject(full)
  await expect(producer.enqueue({ tenant: TENANT, spec: specOf({ delayMs: 9_000 }) })).rejects.toMatchObject(full)
  await expect(
    producer.enqueueBatch({ tenant: TENANT, items: [{ spec }, { spec }], idempotencyKey: 'b' }),
  ).rejects.toMatchObject(full)
  const job = jobSpecSchema.parse({ prompt: 'later' })
  const schedule = {
    cron: '0 0 1 1 *',
    timeZone: 'UTC',
    job,
    overlap: 'skip',
    catchUpMs: 0,
    enabled: true,
    metadata: {},
  }
  await expect(schedules.create(TENANT, schedule as never)).rejects.toMatchObject(full)
  expect(await keysOfJobs()).toEqual(before)

  expect(await producer.cancel(TENANT, unwanted.id, 'no')).toBe('cancelling')
  goOn()
  expect(await fleet.ended(running.id)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(typesOf(await fleet.events(running.id)).filter((type) => type !== 'text')).toEqual([
    'queued',
    'started',
    'completed',
  ])
  expect(await producer.get(TENANT, waiting.id)).toMatchObject({ state: 'waiting', attempt: 0 })

  await fleet.client.config('SET', 'maxmemory', '0')
  expect(await fleet.ended(waiting.id)).toMatchObject({ state: 'completed', attempt: 1 })
  // A call that was refused left nothing that would answer for it.
  expect((await producer.enqueue({ tenant: TENANT, spec, idempotencyKey: 'k' })).created).toBe(true)
  expect(await producer.get(TENANT, unwanted.id)).toMatchObject({ state: 'cancelled', attempt: 0 })
  await schedules.close()
}, 30_000)
