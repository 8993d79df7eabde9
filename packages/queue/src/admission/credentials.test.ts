import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBeatingWorker, type BeatingWorker } from '../testing/beating-worker.js'
import { completed, openFleet, specOf, TENANT, typesOf, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim } from '../types.js'

/** The long form: `PARKED_JOBS=10000 node_modules/.bin/vitest run packages/queue/src/admission/credentials`. */
const JOBS = Number(process.env['PARKED_JOBS'] ?? 300)
const LIMIT = 2

let server: TestRedis
let fleet: TestFleet
let workers: BeatingWorker[] = []
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(async () => {
  for (const one of workers) await one.close()
  workers = []
  await fleet.close()
})

async function worker(workerId: string, value: string, run: (claim: Claim) => Promise<AttemptOutcome>) {
  const started = await startBeatingWorker(fleet, server.url, { workerId, value, limit: LIMIT }, run)
  workers.push(started)
  return started
}

function limited(claim: Claim, resumesAt: number): AttemptOutcome {
  const { attempt } = claim
  const error = { code: 'USAGE_LIMIT' as const, message: 'limit', retryable: true, attempt, details: {} }
  return { costUsd: 0, usage: USAGE, tools: {}, type: 'parked', error, resumesAt }
}

test('a usage limit parks its credential on every worker: what waits is held, is not claimed, and goes on in waves', async () => {
  const { client, keys, producer } = fleet
  let resumesAt = Infinity
  let met = 0
  const ran: string[] = []
  const run = async (claim: Claim) => {
    if (Date.now() < resumesAt) {
      met += 1
      resumesAt = Math.min(resumesAt, Date.now() + 4_000 + 2 * JOBS)
      return limited(claim, resumesAt)
    }
    ran.push(claim.jobId)
    return completed(claim)
  }
  const ids: string[] = []
  while (ids.length < JOBS) {
    const items = Array.from({ length: Math.min(1_000, JOBS - ids.length) }, (_, at) => ({
      spec: specOf({ priority: at % 3 === 0 ? 1 : 0 }),
    }))
    ids.push(...(await producer.enqueueBatch({ tenant: TENANT, items })).items.map(({ id }) => id))
  }
  const one = await worker('w1', 'same', run)
  const two = await worker('w2', 'same', run)
  await expect.poll(async () => (await fleet.admin.countsByState(TENANT)).parked, { timeout: 30_000 }).toBe(JOBS)
  // Both may have begun one in each slot before the first of them met the limit; nothing began after that.
  expect(met).toBeLessThanOrEqual(2 * LIMIT)
  const late = await fleet.enqueue()
  expect(await producer.get(TENANT, late.id)).toMatchObject({ state: 'parked', resumesAt, attempt: 0 })
  expect(typesOf(await firstEvents(late.id, 2))).toEqual(['queued', 'parked'])
  const last = ids.at(-1) ?? ''
  expect(await producer.get(TENANT, last)).toMatchObject({ state: 'parked', resumesAt, attempt: 0 })
  await producer.cancel(TENANT, last, 'not wanted any more')
  expect(await fleet.ended(last)).toMatchObject({ state: 'cancelled' })

  await one.beat()
  const attempts = Number(await client.hget(keys.metrics, 'attempts'))
  expect([attempts, await client.llen(keys.bull('wait'))]).toEqual([met, 0])
  await new Promise((resolve) => setTimeout(resolve, resumesAt - Date.now() + 20))
  await one.beat()
  await two.beat()
  // Of the held ones no more wake than slots can take soon.
  const awake = JOBS + 1 - 1 - met - (await client.zcard(`${fleet.prefix}:held:credential:default`))
  expect(awake - ran.length).toBeLessThanOrEqual(4 * LIMIT)
  await expect.poll(() => ran.length, { timeout: 60_000, interval: 20 }).toBe(JOBS)
  expect(new Set(ran).size).toBe(JOBS)
  expect([await client.zcard(keys.held), await client.exists(`${fleet.prefix}:held:credential:default`)]).toEqual([
    0, 0,
  ])
}, 120_000)

test('a worker with another value of the name runs what one with a parked value may not, and opens it for those held', async () => {
  const resumesAt = Date.now() + 3_600_000
  const one = await worker('w1', 'used up', async (claim) => limited(claim, resumesAt))
  const first = await fleet.enqueue()
  await expect.poll(async () => (await fleet.producer.get(TENANT, first.id))?.state).toBe('parked')
  const second = await fleet.enqueue()
  expect(await fleet.producer.get(TENANT, second.id)).toMatchObject({ state: 'parked', resumesAt })
  await one.beat()
  const other = await worker('w2', 'fresh', async (claim) => completed(claim, 'from the other'))
  await other.beat()
  expect(await fleet.ended(second.id)).toMatchObject({ state: 'completed', attempt: 1 })
  const third = await fleet.enqueue()
  expect(await fleet.ended(third.id)).toMatchObject({ state: 'completed', result: { text: 'from the other' } })
})

async function firstEvents(id: string, count: number) {
  const events = []
  for await (const event of fleet.reader.events(TENANT, id, { after: 0, signal: AbortSignal.timeout(5_000) })) {
    events.push(event)
    if (events.length === count) break
  }
  return events
}
