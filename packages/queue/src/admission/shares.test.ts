import type { TenantLimits } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, specOf, SHORT_LOCKS, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { Claim } from '../types.js'
import { createLimits } from './limits.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

const put = async (tenant: string, input: Parameters<typeof specOf>[0] = {}) =>
  (await fleet.producer.enqueue({ tenant, spec: specOf(input) })).job.id
const batch = async (tenant: string, jobs: number, input: Parameters<typeof specOf>[0] = {}) =>
  (
    await fleet.producer.enqueueBatch({ tenant, items: Array.from({ length: jobs }, () => ({ spec: specOf(input) })) })
  ).items.map(({ id }) => id)
const publish = (limits: Record<string, TenantLimits>) =>
  createLimits({ redis: fleet.redis }, { prefix: fleet.prefix }).publish(new Map(Object.entries(limits)))
const window = (jobs: number) => fleet.client.set(`${fleet.prefix}:window`, jobs)
const waiting = async (tenant: string) =>
  (await fleet.producer.list(tenant, { state: 'waiting', limit: 100 })).items.length
const ended = (tenant: string, id: string) =>
  fleet.reader.waitForEnd(tenant, id, { waitMs: 15_000, signal: new AbortController().signal })

/** Runs all there is, and tells in which order jobs began. */
async function runAll(jobs: number, concurrency = 2): Promise<Claim[]> {
  const begun: Claim[] = []
  await fleet.consume(
    async (claim) => {
      begun.push(claim)
      return completed(claim)
    },
    { concurrency, timing: SHORT_LOCKS },
  )
  await expect.poll(() => begun.length, { timeout: 15_000, interval: 10 }).toBe(jobs)
  return begun
}

test('a job of one tenant waits for no more of another than the ready window holds, however many there are', async () => {
  await window(4)
  await batch('acme', 200)
  // The first tenant had the fleet for itself, so all its jobs stand in line; the next to come changes that.
  expect(await fleet.client.llen(fleet.keys.bull('wait'))).toBe(200)
  const id = await put('beta')
  await fleet.client.llen(fleet.keys.bull('wait')).then((length) => expect(length).toBeLessThanOrEqual(8))
  expect([await waiting('acme'), await waiting('beta')]).toEqual([100, 1])
  const begun = await runAll(201)
  expect(begun.findIndex(({ jobId }) => jobId === id)).toBeLessThanOrEqual(10)
  const own = begun.filter(({ tenant }) => tenant === 'acme').map(({ createdAt }) => createdAt)
  expect(own).toEqual(own.toSorted((a, b) => a - b))
})

test('tenants get slots by their weights, and within each the urgent first, then in order', async () => {
  await publish({ acme: { weight: 3 }, '*': { weight: 1 } })
  await window(2)
  const ids = { acme: await batch('acme', 60), beta: await batch('beta', 60, { priority: 3 }) }
  const urgent = await put('beta', { priority: 0 })
  const begun = await runAll(121)
  const first = begun.slice(0, 60).filter(({ tenant }) => tenant === 'acme').length
  expect(first).toBeGreaterThanOrEqual(42)
  expect(first).toBeLessThanOrEqual(48)
  expect(begun.filter(({ tenant }) => tenant === 'acme').map(({ jobId }) => jobId)).toEqual(ids.acme)
  expect(begun.filter(({ tenant }) => tenant === 'beta').map(({ jobId }) => jobId)).toEqual([urgent, ...ids.beta])
})

test('no more jobs of a tenant run than it may, the others are held, and each end lets one go at once', async () => {
  await publish({ acme: { maxConcurrent: 2 } })
  const ids = await batch('acme', 12)
  const cancelled = ids[11] ?? ''
  let running = 0
  let most = 0
  await fleet.consume(
    async (claim) => {
      most = Math.max(most, (running += 1))
      await new Promise((resolve) => setTimeout(resolve, 10))
      running -= 1
      return completed(claim)
    },
    { concurrency: 8 },
  )
  await fleet.producer.cancel('acme', cancelled, 'enough')
  expect((await ended('acme', cancelled))?.state).toBe('cancelled')
  for (const id of ids.slice(0, 11)) expect(await ended('acme', id)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(most).toBe(2)
})

test('a queue that is full takes no job more, of batches all or none, and repeats cost nothing', async () => {
  await publish({ acme: { maxQueued: 10 } })
  const key = 'again'
  const spec = specOf()
  const one = await fleet.producer.enqueue({ tenant: 'acme', spec, idempotencyKey: key })
  const items = Array.from({ length: 9 }, () => ({ spec }))
  const full = { code: 'TOO_MANY_REQUESTS', details: { maxQueued: 10, retryAfterMs: expect.any(Number) as number } }
  await expect(fleet.producer.enqueueBatch({ tenant: 'acme', items: [...items, { spec }] })).rejects.toMatchObject(full)
  const made = await fleet.producer.enqueueBatch({ tenant: 'acme', items, idempotencyKey: 'batch' })
  await expect(put('acme')).rejects.toMatchObject(full)
  expect(await fleet.producer.enqueue({ tenant: 'acme', spec, idempotencyKey: key })).toMatchObject({
    created: false,
    job: { id: one.job.id },
  })
  expect((await fleet.producer.enqueueBatch({ tenant: 'acme', items, idempotencyKey: 'batch' })).id).toBe(made.id)
  await put('beta')
  await fleet.producer.cancel('acme', one.job.id, 'room')
  const races = await Promise.allSettled(Array.from({ length: 10 }, () => put('acme')))
  expect(races.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await fleet.client.exists(fleet.keys.places('acme'))).toBe(0)
})

test('what a crash left held is let go by the next look of a worker', async () => {
  await publish({ acme: { maxConcurrent: 5 } })
  await window(2)
  const ids = await batch('acme', 5)
  // As if the producer of two had died between the record and the queue's list: they were to go on and did not.
  const score = (await fleet.client.zscore(fleet.keys.bull('delayed'), ids[3] ?? '')) ?? ''
  await fleet.client.zrem(fleet.keys.bull('delayed'), ids[3] ?? '')
  await fleet.consume(async (claim) => completed(claim), { timing: SHORT_LOCKS })
  for (const id of [0, 1, 2, 4]) expect((await ended('acme', ids[id] ?? ''))?.state).toBe('completed')
  await fleet.client.zadd(fleet.keys.bull('delayed'), score, ids[3] ?? '')
  await fleet.janitor.sweep()
  expect((await ended('acme', ids[3] ?? ''))?.state).toBe('completed')
  const left = await fleet.client.keys(`${fleet.prefix}:*`)
  const kinds = left.map((key) => key.slice(fleet.prefix.length + 1).split(':')[0])
  for (const kind of ['share', 'ready', 'backlog', 'capped', 'passes', 'reserved', 'promote'])
    expect(kinds).not.toContain(kind)
})
