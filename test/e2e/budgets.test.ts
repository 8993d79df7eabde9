import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'

/** What claude says that one answer of the simulated model costs, USD: 10 tokens in, 20 out. */
const REPLY_USD = 0.00044
const DAILY_USD = 5 * REPLY_USD
const SLOTS = 2

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet({ tenants: { [TEST_TENANT]: { dailyUsd: DAILY_USD } } })
  await fleet.worker('w1', { FLEET_CONCURRENCY: String(SLOTS) })
})
afterAll(() => fleet[Symbol.asyncDispose]())

test('a day of a tenant costs what the model was asked, no more than its limit and one reply of each running job', async () => {
  // Slow enough that a turn is stopped before its next reply, as a real model would be.
  const prompt = '[[slow:4,50]][[tool:Bash:{"command":"true"}]][[text:done]]'
  const jobs = await Promise.all(
    Array.from({ length: 8 }, () => fleet.http.enqueue({ prompt, allowedTools: ['Bash'] })),
  )
  const views = () => Promise.all(jobs.map(({ id }) => fleet.http.job(id).get()))
  const open = async () => (await views()).filter((job) => job.state !== 'completed' && job.state !== 'parked').length
  await expect.poll(open, { timeout: 40_000, interval: 100 }).toBe(0)
  const all = await views()
  const charged = all.reduce((sum, job) => sum + job.costUsd, 0)
  const { costUsd } = await fleet.http.stats()
  const replies = fleet.model.ledger.turns().filter(({ aborted }) => !aborted).length
  const { code } = await fleet.http.enqueue({ prompt: 'late' }).then(
    () => ({ code: 'ACCEPTED' }),
    (error: { code: string }) => error,
  )
  expect(code).toBe('MAX_BUDGET')
  expect(charged).toBeGreaterThanOrEqual(DAILY_USD)
  expect(charged).toBeLessThanOrEqual(DAILY_USD + SLOTS * REPLY_USD + 1e-9)
  expect(costUsd).toBeCloseTo(charged, 9)
  expect(all.some(({ state, attempt }) => state === 'parked' && attempt === 0)).toBe(true)
  // Each answer that was given is charged once.
  expect(charged).toBeCloseTo(replies * REPLY_USD, 9)
}, 90_000)
