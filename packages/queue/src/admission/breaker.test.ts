import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBeatingWorker, type BeatingWorker } from '../testing/beating-worker.js'
import { completed, openFleet, specOf, TENANT, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim } from '../types.js'

const JOBS = 200
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

function refused({ attempt }: Claim): AttemptOutcome {
  const error = { code: 'AUTH_FAILED' as const, message: 'invalid key', retryable: false, attempt, details: {} }
  return { costUsd: 0, usage: USAGE, tools: {}, type: 'failed', error }
}

const state = async () => (await fleet.admin.credentials())[0]
const held = async () => (await state())?.jobs ?? 0

test('a refused credential fails the jobs that met it and holds all others on every worker until it is resumed and proven', async () => {
  const { producer, admin, client, keys } = fleet
  let good = false
  const met: string[] = []
  const ran: string[] = []
  const run = async (claim: Claim) => {
    if (!good) {
      met.push(claim.jobId)
      return refused(claim)
    }
    ran.push(claim.jobId)
    return completed(claim)
  }
  const items = Array.from({ length: JOBS }, (_, at) => ({ spec: specOf({ priority: at % 3 === 0 ? 1 : 0 }) }))
  const ids = (await producer.enqueueBatch({ tenant: TENANT, items })).items.map(({ id }) => id)
  const one = await worker('w1', 'same', run)
  const two = await worker('w2', 'same', run)
  await expect.poll(held, { timeout: 30_000 }).toBe(JOBS - met.length)
  // Both may have begun one in each slot before the first of them was refused; nothing began after that.
  expect(met.length).toBeLessThanOrEqual(2 * LIMIT)
  for (const id of met) {
    expect(await fleet.ended(id)).toMatchObject({ state: 'failed', attempt: 1, error: { code: 'AUTH_FAILED' } })
  }
  expect(await state()).toMatchObject({ name: 'default', state: 'broken', code: 'AUTH_FAILED', message: 'invalid key' })
  const waiting = ids.find((id) => !met.includes(id)) ?? ''
  const view = await producer.get(TENANT, waiting)
  expect([view?.state, view?.attempt, view?.resumesAt]).toEqual(['parked', 0, undefined])
  const late = await fleet.enqueue()
  expect((await producer.get(TENANT, late.id))?.state).toBe('parked')
  const before = met.length
  await one.beat()
  await two.beat()
  expect([met.length, await client.llen(keys.bull('wait'))]).toEqual([before, 0])
  expect((await admin.metrics()).credentials).toMatchObject([{ state: 'broken' }])

  // Resumed while it is still refused: one job tries it, and no other is lost.
  expect(await admin.resumeCredential('nobody')).toBe(false)
  expect(await admin.resumeCredential('default')).toBe(true)
  await one.beat()
  await two.beat()
  await expect.poll(async () => (await state())?.state, { timeout: 30_000 }).toBe('broken')
  expect(met.length).toBe(before + 1)
  expect(await held()).toBe(JOBS + 1 - met.length)

  good = true
  expect(await admin.resumeCredential('default')).toBe(true)
  await one.beat()
  await two.beat()
  await expect.poll(async () => (await state())?.state).toBe('open')
  await expect
    .poll(
      async () => {
        await one.beat()
        return ran.length
      },
      { timeout: 60_000 },
    )
    .toBe(JOBS + 1 - met.length)
  expect([new Set(ran).size, await client.zcard(keys.held), await held()]).toEqual([ran.length, 0, 0])
}, 120_000)

test('while a resumed credential is tried by one job no other begins, and an attempt that tells nothing leaves the try to the next', async () => {
  const { producer, admin } = fleet
  let answer: ((outcome: 'refused' | 'crashed' | 'good') => void) | undefined
  const begun: string[] = []
  let good = false
  const one = await worker('w1', 'same', async (claim) => {
    begun.push(claim.jobId)
    const word = good ? 'good' : await new Promise<string>((resolve) => (answer = resolve))
    if (word === 'good') return completed(claim)
    if (word === 'refused') return refused(claim)
    const { attempt } = claim
    const error = { code: 'PROCESS_CRASHED' as const, message: 'gone', retryable: false, attempt, details: {} }
    return { costUsd: 0, usage: USAGE, tools: {}, type: 'failed', error }
  })
  const told = async (word: 'refused' | 'crashed' | 'good') => {
    await expect.poll(() => answer !== undefined).toBe(true)
    answer?.(word)
    answer = undefined
  }
  await fleet.enqueue()
  await told('refused')
  await expect.poll(async () => (await state())?.state).toBe('broken')
  const ids = (
    await producer.enqueueBatch({ tenant: TENANT, items: Array.from({ length: 5 }, () => ({ spec: specOf() })) })
  ).items
  expect(await held()).toBe(ids.length)

  await admin.resumeCredential('default')
  await one.beat()
  await expect.poll(() => begun.length).toBe(2)
  await one.beat()
  const late = await fleet.enqueue()
  expect((await producer.get(TENANT, late.id))?.state).toBe('parked')
  expect(begun.length).toBe(2)
  await told('crashed')
  await expect.poll(async () => (await fleet.producer.get(TENANT, begun[1] ?? ''))?.state).toBe('failed')
  expect((await state())?.state).toBe('trying')
  await one.beat()
  await expect.poll(() => begun.length).toBe(3)
  good = true
  await told('good')
  await expect.poll(async () => (await state())?.state).toBe('open')
  await one.beat()
  await expect.poll(() => begun.length, { timeout: 10_000 }).toBe(1 + ids.length + 1)
})

test('a worker that has another value of the name runs what was held; the refused one stays refused', async () => {
  await worker('w1', 'revoked', async (claim) => refused(claim))
  await fleet.enqueue()
  await expect.poll(async () => (await state())?.state).toBe('broken')
  const second = await fleet.enqueue()
  expect((await fleet.producer.get(TENANT, second.id))?.state).toBe('parked')
  const other = await worker('w2', 'new', async (claim) => completed(claim, 'with the new one'))
  await other.beat()
  expect(await fleet.ended(second.id)).toMatchObject({ state: 'completed', attempt: 1 })
  const [credential] = await fleet.admin.credentials()
  expect(credential).toMatchObject({ state: 'open' })
  expect(credential?.values.map((value) => value.state).sort()).toEqual(['broken', 'open'])
})
