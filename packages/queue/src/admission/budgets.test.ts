import type { TenantLimits } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, SHORT_LOCKS, specOf, stopped, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim } from '../types.js'
import { createLimits } from './limits.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

const put = async (input: Parameters<typeof specOf>[0] = {}) =>
  (await fleet.producer.enqueue({ tenant: 'acme', spec: specOf(input) })).job.id
const publish = (limits: Record<string, TenantLimits>) =>
  createLimits({ redis: fleet.redis }, { prefix: fleet.prefix }).publish(new Map(Object.entries(limits)))
const view = (id: string) => fleet.producer.get('acme', id)
const spent = async () => (await fleet.admin.stats('acme')).costUsd
const reserved = () => fleet.client.hvals(`${fleet.prefix}:reserved:acme`)

function costing(claim: Claim, costUsd: number): AttemptOutcome {
  const outcome = completed(claim)
  if (outcome.type !== 'completed') return outcome
  return { ...outcome, costUsd, result: { ...outcome.result, costUsd } }
}

test('a day whose money is spent parks what waits, without an attempt, refuses what comes, and more money lets all go', async () => {
  await publish({ acme: { dailyUsd: 0.5 } })
  const ids = await Promise.all(Array.from({ length: 8 }, () => put()))
  await fleet.consume(async (claim) => costing(claim, 0.25), { concurrency: 1, timing: SHORT_LOCKS })
  const states = async () => (await Promise.all(ids.map(async (id) => String((await view(id))?.state)))).toSorted()
  const two = ['completed', 'completed', ...Array.from({ length: 6 }, () => 'parked')]
  await expect.poll(states, { timeout: 10_000 }).toEqual(two)
  expect(await spent()).toBe(0.5)
  const parked = (await Promise.all(ids.map(view))).find((job) => job?.state === 'parked')
  expect(parked?.attempt).toBe(0)
  const midnight = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400_000
  expect(Date.parse(String(parked?.resumesAt)) || Number(parked?.resumesAt)).toBe(midnight)
  await expect(put()).rejects.toMatchObject({ code: 'MAX_BUDGET', retryable: false, details: { dailyUsd: 0.5 } })
  await publish({ acme: { dailyUsd: 10 } })
  await expect.poll(states, { timeout: 10_000 }).toEqual(Array.from({ length: 8 }, () => 'completed'))
  expect(await spent()).toBe(2)
  expect(await reserved()).toEqual([])
})

test('what running jobs may spend is reserved: they never spend more together than the day has', async () => {
  await publish({ acme: { dailyUsd: 1 } })
  const ids = await Promise.all(Array.from({ length: 6 }, () => put({ maxBudgetUsd: 0.4 })))
  const budgets: number[] = []
  let running = 0
  let most = 0
  await fleet.consume(
    async (claim) => {
      budgets.push(Math.round((claim.spec.maxBudgetUsd ?? 0) * 100) / 100)
      most = Math.max(most, (running += 1))
      await new Promise((resolve) => setTimeout(resolve, 30))
      running -= 1
      return costing(claim, 0.1)
    },
    { concurrency: 6, timing: SHORT_LOCKS },
  )
  for (const id of ids)
    expect(
      (await fleet.reader.waitForEnd('acme', id, { waitMs: 10_000, signal: new AbortController().signal }))?.state,
    ).toBe('completed')
  // 0.4 + 0.4 + the 0.2 that are left.
  expect([budgets.slice(0, 3), most]).toEqual([[0.4, 0.4, 0.2], 3])
  expect(await spent()).toBeCloseTo(0.6, 9)
  expect(await reserved()).toEqual([])
})

test('a turn that the day cut short goes on the next day; one that its own budget cut short has failed', async () => {
  await publish({ acme: { dailyUsd: 0.3 } })
  const stop = (claim: Claim): AttemptOutcome => ({
    type: 'failed',
    costUsd: 0.3,
    usage: USAGE,
    tools: {},
    error: { code: 'MAX_BUDGET', message: 'over', retryable: false, attempt: claim.attempt, details: {} },
  })
  const id = await put()
  await fleet.consume(async (claim) => stop(claim), { concurrency: 1, timing: SHORT_LOCKS })
  await expect.poll(async () => (await view(id))?.state, { timeout: 5_000 }).toBe('parked')
  expect(await view(id)).toMatchObject({ attempt: 1, costUsd: 0.3 })
  await publish({ acme: { dailyUsd: 1 } })
  const own = await put({ maxBudgetUsd: 0.3 })
  await expect.poll(async () => (await view(own))?.state, { timeout: 5_000 }).toBe('failed')
  expect((await view(own))?.error).toMatchObject({ code: 'MAX_BUDGET' })
})

test('the money of a worker that died is free again, and a live attempt hears that the day is spent', async () => {
  await publish({ acme: { dailyUsd: 1 } })
  const id = await put({ maxBudgetUsd: 1 })
  let lost = false
  const heard: boolean[] = []
  await fleet.consume(
    async (claim) => {
      if (!lost) {
        lost = true
        await fleet.client.set(`${fleet.keys.bullJob(claim.jobId)}:lock`, 'of nobody', 'PX', 350)
        await stopped(claim)
        return { type: 'fenced', costUsd: 0, usage: USAGE, tools: {} }
      }
      expect((await reserved()).map(Number)).toEqual([1])
      claim.spent({ costUsd: 1, usage: USAGE })
      await expect.poll(() => claim.isBroke(), { timeout: 5_000, interval: 5 }).toBe(true)
      heard.push(true)
      return costing(claim, 1)
    },
    { timing: SHORT_LOCKS },
  )
  await expect.poll(async () => (await view(id))?.state, { timeout: 15_000 }).toBe('completed')
  expect([heard, await reserved()]).toEqual([[true], []])
})
