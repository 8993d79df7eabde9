import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, stopped, TENANT, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

test('a turn that waits for another takes no slot, and starts when the one before is cancelled', async () => {
  const { client, keys, producer } = fleet
  const { id: session } = await fleet.session()
  const [first, second] = [await fleet.enqueue({ session }), await fleet.enqueue({ session })]
  const consumer = await fleet.consume(async (claim) => {
    if (claim.jobId !== first.id) return completed(claim)
    await stopped(claim)
    return { costUsd: 0, usage: USAGE, tools: {}, type: 'cancelled', reason: 'enough' }
  })
  await expect.poll(() => consumer.running(), { interval: 5 }).toBe(1)
  expect(await producer.get(TENANT, second.id)).toMatchObject({ state: 'waiting', attempt: 0 })
  expect([await client.llen(keys.bull('wait')), await client.llen(keys.bull('active'))]).toEqual([0, 1])
  await producer.cancel(TENANT, first.id, 'enough')
  expect(await fleet.ended(second.id)).toMatchObject({ state: 'completed' })
})

test('a turn that was to go on while its producer died is let go by the sweep', async () => {
  const { client, keys, producer } = fleet
  const { id: session } = await fleet.session()
  const [first, second] = [await fleet.enqueue({ session }), await fleet.enqueue({ session })]
  // As if the second had not come into the queue yet when the first ended, and its producer did not live to look again.
  const score = (await client.zscore(keys.bull('delayed'), second.id)) ?? ''
  await client.zrem(keys.bull('delayed'), second.id)
  await producer.cancel(TENANT, first.id, 'enough')
  await client.zadd(keys.bull('delayed'), score, second.id)
  await fleet.consume(async (claim) => completed(claim))
  await fleet.janitor.sweep()
  expect(await fleet.ended(second.id)).toMatchObject({ state: 'completed' })
})
