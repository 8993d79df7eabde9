import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, SHORT_LOCKS, TENANT, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

const counters = () => fleet.client.hgetall(fleet.keys.counters)

/** A job whose data in BullMQ are `change` of what the producer wrote. */
async function jobWith(change: (data: string) => string): Promise<string> {
  const { client, keys } = fleet
  const { id } = await fleet.enqueue()
  await client.hset(keys.bullJob(id), 'data', change((await client.hget(keys.bullJob(id), 'data')) ?? ''))
  return id
}

test('a job of a newer fleet is held for a newer worker and holds up nobody', async () => {
  const newer = await jobWith((data) => data.replace('"v":2', '"v":3'))
  const good = await fleet.enqueue()
  await fleet.consume(async (claim) => completed(claim), { concurrency: 1 })
  expect((await fleet.ended(good.id))?.state).toBe('completed')
  await expect.poll(() => fleet.client.zscore(fleet.keys.bull('delayed'), newer)).not.toBeNull()
  expect(await fleet.producer.get(TENANT, newer)).toMatchObject({ state: 'waiting', attempt: 0 })
  expect(await fleet.producer.cancel(TENANT, newer, 'not needed')).toBe('cancelling')
  expect((await fleet.producer.get(TENANT, newer))?.state).toBe('cancelled')
})

test('a job of a newer fleet that no newer worker takes for a day is put into quarantine', async () => {
  const { client, keys } = fleet
  const newer = await jobWith((data) => data.replace('"v":2', '"v":3'))
  const dayAgo = Date.now() - 24 * 3_600_000
  await client.hset(keys.bullJob(newer), 'newerSince', dayAgo - 1_000)
  const younger = await jobWith((data) => data.replace('"v":2', '"v":3'))
  await client.hset(keys.bullJob(younger), 'newerSince', dayAgo + 600_000)
  await fleet.consume(async (claim) => completed(claim))
  expect(await fleet.ended(newer)).toMatchObject({ state: 'failed', attempt: 0, error: { code: 'INVALID_JOB' } })
  expect(await client.exists(`${keys.prefix}:quarantine:${newer}`)).toBe(1)
  await expect.poll(() => client.zscore(keys.bull('delayed'), younger)).not.toBeNull()
  expect((await fleet.producer.get(TENANT, younger))?.state).toBe('waiting')
})

test('keys that reach for prototypes, another tenant, another id and unknown fields end as INVALID_JOB unrun', async () => {
  const ids = [
    await jobWith((data) => data.replace('"spec":{', '"spec":{"__proto__":{"polluted":true},')),
    await jobWith((data) => data.replace('"v":2', '"v":2,"constructor":{"prototype":{"polluted":true}}')),
    await jobWith((data) => data.replace('"acme"', '"other"')),
    await jobWith((data) => data.replace(/"id":"[^"]+"/, '"id":"j_00000000000000000000000000"')),
    await jobWith((data) => data.replace('"spec":{', '"spec":{"executable":"/bin/sh",')),
    await jobWith((data) => data.replace('"v":2', '"v":"2"')),
    await jobWith(() => `${'['.repeat(100_000)}${']'.repeat(100_000)}`),
  ]
  const ran: string[] = []
  await fleet.consume(async (claim) => {
    ran.push(claim.jobId)
    return completed(claim)
  })
  for (const id of ids) {
    expect(await fleet.ended(id)).toMatchObject({ state: 'failed', error: { code: 'INVALID_JOB', retryable: false } })
  }
  expect(ran).toEqual([])
  expect(Object.keys({}.constructor.prototype as object).concat(Object.keys(Object.prototype))).toEqual([])
  expect(await counters()).toEqual({ forged: '1', invalid: String(ids.length), quarantined: String(ids.length) })
})

test('data larger than any producer writes are put away before anybody parses them', async () => {
  const { client, keys } = fleet
  const first = await fleet.enqueue()
  const huge = await jobWith((data) => data.replace('"say hello"', `"${'x'.repeat(21 * 1024 * 1024)}"`))
  const good = await fleet.enqueue()
  let finish = () => {}
  const gate = new Promise<void>((resolve) => (finish = resolve))
  const run: Parameters<TestFleet['consume']>[0] = async (claim) => {
    if (claim.jobId === first.id) await gate
    return completed(claim)
  }
  await fleet.consume(run, { concurrency: 1, timing: SHORT_LOCKS })
  expect(await fleet.ended(huge)).toMatchObject({ state: 'failed', error: { code: 'INVALID_JOB' } })
  expect(await client.exists(`${fleet.prefix}:quarantine:${huge}`, keys.bullJob(huge))).toBe(1)
  expect(await counters()).toEqual({ invalid: '1', quarantined: '1' })
  finish()
  expect((await fleet.ended(good.id))?.state).toBe('completed')
})
