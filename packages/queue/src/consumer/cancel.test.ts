import type { StreamEvent } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { AdmissionGate } from '../admission/gate.js'
import { completed, openFleet, started, stopped, TENANT, typesOf, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { Claim } from '../types.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

const SUMS = { costUsd: 0.5, usage: USAGE, tools: {} }
const ENDS = ['completed', 'failed', 'cancelled']
const endsOf = (events: readonly StreamEvent[]) => typesOf(events).filter((type) => ENDS.includes(type))

test('a job that is cancelled between its claim and its begin never starts', async () => {
  let claimed = () => {}
  const isClaimed = new Promise<void>((resolve) => (claimed = resolve))
  let admit = () => {}
  const gate = new Promise<void>((resolve) => (admit = resolve))
  const admission: AdmissionGate = {
    async admit() {
      claimed()
      await gate
      return { type: 'start' }
    },
  }
  let ran = 0
  await fleet.consume(
    async (claim) => {
      ran += 1
      return completed(claim)
    },
    { admission },
  )
  const job = await fleet.enqueue()
  await isClaimed
  expect(await fleet.producer.cancel(TENANT, job.id, 'now')).toBe('cancelling')
  expect(await fleet.producer.get(TENANT, job.id)).toMatchObject({ state: 'cancelled', attempt: 0 })
  admit()
  const { client, keys } = fleet
  await expect.poll(() => client.zcard(keys.bull('failed'))).toBe(1)
  expect([await client.llen(keys.bull('active')), ran]).toEqual([0, 0])
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'cancelled'])
})

test('a job that waits for its retry is cancelled at once, with what it cost, and never starts again', async () => {
  const job = await fleet.enqueue()
  const consumer = await fleet.consume(async ({ attempt }) => {
    const error = { code: 'OVERLOADED' as const, message: 'busy', retryable: true, attempt, details: {} }
    return { ...SUMS, type: 'retry', error, delayMs: 60_000 }
  })
  await expect.poll(async () => (await fleet.producer.get(TENANT, job.id))?.state, { interval: 5 }).toBe('delayed')
  expect(await fleet.producer.cancel(TENANT, job.id, 'now')).toBe('cancelling')
  const view = await fleet.producer.get(TENANT, job.id)
  expect(view).toMatchObject({ state: 'cancelled', costUsd: 0.5, error: { code: 'CANCELLED' } })
  expect(view?.attempts).toMatchObject([{ attempt: 1, outcome: 'failed', code: 'OVERLOADED', costUsd: 0.5 }])
  expect(await fleet.client.zcard(fleet.keys.bull('delayed'))).toBe(0)
  expect(consumer.running()).toBe(0)
  expect(await fleet.producer.cancel(TENANT, job.id, 'again')).toBe('ended')
})

test('a thousand races of cancel against the end, from early to late, leave each job one end that all agree on', async () => {
  const RACES = 1_000
  const run = async (claim: Claim) => {
    claim.write(started)
    // From none to a few turns of the loop: some cancels come before the end, some during, some after.
    for (let turns = claim.createdAt % 5; turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve))
    return claim.signal.aborted ? { ...SUMS, type: 'cancelled' as const, reason: 'race' } : completed(claim)
  }
  await fleet.consume(run, { concurrency: 16 })
  const ends = { completed: 0, cancelled: 0 }
  for (let done = 0; done < RACES; done += 100) {
    const jobs = await Promise.all(Array.from({ length: 100 }, () => fleet.enqueue()))
    await Promise.all(
      jobs.map(async ({ id }, at) => {
        for (let turns = at % 40; turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve))
        await fleet.producer.cancel(TENANT, id, 'race')
        const view = await fleet.ended(id)
        expect(endsOf(await fleet.events(id))).toEqual([view?.state])
        if (view?.state === 'completed') expect(view.result).toBeDefined()
        ends[view?.state as 'completed' | 'cancelled'] += 1
      }),
    )
  }
  expect(ends.completed + ends.cancelled).toBe(RACES)
  expect(Math.min(ends.completed, ends.cancelled)).toBeGreaterThan(0)
}, 60_000)

test('a cancel whose message was lost reaches the attempt all the same', async () => {
  const { client, keys } = fleet
  const job = await fleet.enqueue()
  const consumer = await fleet.consume(async (claim) => {
    await stopped(claim)
    return { ...SUMS, type: 'cancelled', reason: (claim.signal.reason as { reason: string }).reason }
  })
  await expect.poll(() => consumer.running(), { interval: 5 }).toBe(1)
  // The request as the script writes it, without what it publishes.
  await client.hset(keys.job(job.id), 'cancel', 'unheard')
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'cancelled', error: { message: 'unheard' } })
})
