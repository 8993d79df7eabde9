import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBeatingWorker, type BeatingWorker } from '../testing/beating-worker.js'
import { completed, openFleet, stopped, TENANT, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { Claim } from '../types.js'

/** No job is looked at by itself so soon. */
const YEAR_MS = 365 * 86_400_000

let server: TestRedis
let fleet: TestFleet
let workers: BeatingWorker[] = []
let ran: string[] = []
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => {
  fleet = await openFleet(server.url)
  ran = []
})
afterEach(async () => {
  for (const one of workers) await one.close()
  workers = []
  await fleet.close()
})

async function worker(
  workerId: string,
  has: { limit?: number; credentials?: string[]; labels?: string[] },
  hold?: Hold,
) {
  const run = async (claim: Claim) => {
    ran.push(workerId)
    await hold?.(claim)
    return completed(claim)
  }
  const started = await startBeatingWorker(fleet, server.url, { workerId, limit: 2, ...has }, run)
  workers.push(started)
  return started
}
type Hold = (claim: Claim) => Promise<void>

async function labelled(labels: string[]): Promise<string> {
  const { id: session } = await fleet.session({ labels })
  return (await fleet.enqueue({ session })).id
}
const unfit = async () => (await fleet.admin.metrics()).unfitJobs
const allHeld = (count: number) => expect.poll(unfit, { timeout: 20_000, interval: 20 }).toBe(count)

test('jobs that no live worker fits are held without being offered again, and go on when one comes', async () => {
  const { client, keys, producer } = fleet
  await worker('plain', { labels: ['disk:a'] })
  const ids = [
    await labelled(['big', 'disk:a']),
    await labelled(['disk:a', 'big']),
    (await fleet.enqueue({ credential: 'other' })).id,
  ]
  const dropped = await labelled(['big'])
  await allHeld(4)
  const scores = await client.zmscore(keys.bull('delayed'), ...ids, dropped)
  expect(Math.min(...scores.map((score) => Number(score) / 4096))).toBeGreaterThan(Date.now() + YEAR_MS)
  // Others of its kind wait already: it is held when it was offered once.
  const third = await labelled(['big', 'disk:a'])
  await allHeld(5)
  expect(await client.hget(keys.job(third), 'offers')).toBeNull()
  expect(await producer.cancel(TENANT, dropped, 'enough')).toBe('cancelling')
  expect(await unfit()).toBe(4)
  await worker('near', { labels: ['big'], credentials: ['default', 'other'], limit: 4 })
  await worker('fit', { labels: ['big', 'disk:a', 'more'] })
  for (const id of [...ids, third]) expect(await fleet.ended(id)).toMatchObject({ state: 'completed' })
  expect([ran.filter((name) => name === 'fit').length, ran.filter((name) => name === 'near').length]).toEqual([3, 1])
  expect(await client.keys(`${fleet.prefix}:*fit[s:]*`)).toEqual([])
}, 30_000)

test('jobs that wait for a busy worker that fits start there one after another, as its slots are free', async () => {
  const { client, keys } = fleet
  const releases = new Map<string, () => void>()
  const hold = (claim: Claim) =>
    Promise.race([stopped(claim), new Promise<void>((resolve) => releases.set(claim.jobId, resolve))])
  const fit = await worker('fit', { labels: ['big'], limit: 1 }, hold)
  const first = await labelled(['big'])
  await expect.poll(() => releases.get(first), { interval: 5 }).toBeDefined()
  await worker('plain', {})
  const waiting = [await labelled(['big']), await labelled(['big']), await labelled(['big'])]
  await allHeld(3)
  // It has no slot free, so its beat lets none go.
  await fit.beat()
  expect([await unfit(), await client.llen(keys.bull('wait'))]).toEqual([3, 0])
  for (const id of [first, ...waiting]) {
    await expect.poll(() => releases.get(id), { timeout: 20_000, interval: 5 }).toBeDefined()
    releases.get(id)?.()
    expect(await fleet.ended(id)).toMatchObject({ state: 'completed' })
    // Where the other worker was faster each time, the next beat lets it go again.
    await fit.beat()
  }
  expect(ran).toEqual(['fit', 'fit', 'fit', 'fit'])
}, 60_000)
