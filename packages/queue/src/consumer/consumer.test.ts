import type { StreamEvent } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  collect,
  completed,
  openFleet,
  started,
  stopped,
  TENANT,
  typesOf,
  USAGE,
  type TestFleet,
} from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { Claim } from '../types.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

const SUMS = { costUsd: 0.5, usage: USAGE, tools: {} }

test('early and late subscribers read one log, once, in order, to its end', async () => {
  const job = await fleet.enqueue()
  const early = fleet.events(job.id)
  let halfway: Promise<StreamEvent[]> | undefined
  await fleet.consume(async (claim) => {
    claim.write(started)
    for (let at = 0; at < 200; at += 1) {
      claim.write({ type: 'text', text: `${at},` })
      if (at % 20 === 0) claim.write({ type: 'log', stream: 'stderr', line: `line ${at}` })
      if (at === 100) halfway = fleet.events(job.id)
      if (at % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return completed(claim)
  })
  const first = await early
  expect(await halfway).toEqual(first)
  expect(await fleet.events(job.id)).toEqual(first)
  expect(await fleet.events(job.id, 5)).toEqual(first.slice(5))
  const types = typesOf(first)
  expect([types[0], types[1], types.at(-1)]).toEqual(['queued', 'started', 'completed'])
  const text = first.flatMap((event) => (event.type === 'text' ? [event.text] : [])).join('')
  expect(text).toBe(Array.from({ length: 200 }, (_, at) => `${at},`).join(''))
  expect(await fleet.events(job.id, first.length)).toEqual([])
})

test('a completed job has its result, sums and statistics, and BullMQ the return value', async () => {
  const job = await fleet.enqueue()
  await fleet.consume(async (claim) => completed(claim, 'done'))
  const view = await fleet.ended(job.id)
  expect(view).toMatchObject({ state: 'completed', attempt: 1, worker: 'w1', costUsd: 0.25, usage: USAGE })
  expect(view?.result?.text).toBe('done')
  const stats = await fleet.admin.stats(TENANT)
  expect(stats).toMatchObject({ costUsd: 0.25, tokens: USAGE, tools: { Read: 1 }, throughput: { lastMinute: 1 } })
  expect(stats.jobs.completed).toBe(1)
  expect((await fleet.admin.stats('other')).jobs.completed).toBe(0)
  await expect.poll(() => fleet.client.hget(fleet.keys.bullJob(job.id), 'returnvalue')).toContain('"text":"done"')
})

test('a failed attempt is tried again after its delay, and the stream says so in order', async () => {
  const job = await fleet.enqueue()
  const claims: Claim[] = []
  await fleet.consume(async (claim) => {
    claims.push(claim)
    claim.write(started)
    const error = { code: 'OVERLOADED' as const, message: 'busy', retryable: true, attempt: claim.attempt, details: {} }
    return claim.attempt < 3
      ? { ...SUMS, type: 'retry', error, delayMs: claim.attempt === 1 ? 300 : 0 }
      : completed(claim)
  })
  const events = await fleet.events(job.id)
  expect(typesOf(events)).toEqual(['queued', 'started', 'retry', 'started', 'retry', 'started', 'completed'])
  expect(events.map(({ attempt }) => attempt)).toEqual([0, 1, 1, 2, 2, 3, 3])
  expect((events[3]?.ts ?? 0) - (events[2]?.ts ?? 0)).toBeGreaterThanOrEqual(250)
  expect(claims.map(({ failures, spentUsd }) => [failures, spentUsd])).toEqual([
    [0, 0],
    [1, 0.5],
    [2, 1],
  ])
  expect((await fleet.ended(job.id))?.costUsd).toBe(1.25)
})

test('a parked job says until when and starts then, with no failure counted', async () => {
  const job = await fleet.enqueue()
  const failures: number[] = []
  await fleet.consume(async (claim) => {
    failures.push(claim.failures)
    const error = { code: 'USAGE_LIMIT' as const, message: 'limit', retryable: true, attempt: 1, details: {} }
    return claim.attempt === 1 ? { ...SUMS, type: 'parked', error, resumesAt: Date.now() + 600 } : completed(claim)
  })
  await expect.poll(async () => (await fleet.producer.get(TENANT, job.id))?.state, { interval: 5 }).toBe('parked')
  expect((await fleet.producer.get(TENANT, job.id))?.resumesAt).toBeGreaterThan(Date.now())
  expect((await fleet.ended(job.id))?.state).toBe('completed')
  expect(failures).toEqual([0, 0])
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'parked', 'completed'])
})

test('a parked job that is cancelled ends at once and never starts again', async () => {
  const job = await fleet.enqueue()
  const consumer = await fleet.consume(async () => {
    const error = { code: 'USAGE_LIMIT' as const, message: 'limit', retryable: true, attempt: 1, details: {} }
    return { ...SUMS, type: 'parked', error, resumesAt: Date.now() + 60_000 }
  })
  const delayed = () => fleet.client.zcard(fleet.keys.bull('delayed'))
  await expect.poll(delayed, { interval: 5 }).toBe(1)
  expect(await fleet.producer.cancel(TENANT, job.id, 'enough')).toBe('cancelling')
  expect(await fleet.producer.get(TENANT, job.id)).toMatchObject({ state: 'cancelled', attempt: 1, costUsd: 0.5 })
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'parked', 'cancelled'])
  expect([await delayed(), consumer.running()]).toEqual([0, 0])
})

test('a wait for the end gives the job as it is when the time is over', async () => {
  const job = await fleet.enqueue({ delayMs: 60_000 })
  const signal = new AbortController().signal
  const view = await fleet.reader.waitForEnd(TENANT, job.id, { waitMs: 50, signal })
  expect(view).toMatchObject({ id: job.id, state: 'delayed' })
})

test('cancelling an active job stops its attempt with the reason and ends it as cancelled', async () => {
  const job = await fleet.enqueue()
  await fleet.consume(async (claim) => {
    claim.write(started)
    await stopped(claim)
    const reason = claim.signal.reason as { kind: string; reason: string }
    return { ...SUMS, type: 'cancelled', reason: `${reason.kind}: ${reason.reason}` }
  })
  for await (const event of fleet.reader.events(TENANT, job.id, { after: 0, signal: AbortSignal.timeout(9_000) })) {
    if (event.type === 'started') expect(await fleet.producer.cancel(TENANT, job.id, 'enough')).toBe('cancelling')
  }
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'cancelled', costUsd: 0.5, error: { code: 'CANCELLED' } })
  expect(await fleet.events(job.id)).toMatchObject([{}, {}, { type: 'cancelled', reason: 'cancelled: enough' }])
})

test('a retry of a job whose end was asked for meanwhile is its end', async () => {
  const job = await fleet.enqueue()
  await fleet.consume(async (claim) => {
    await fleet.producer.cancel(TENANT, claim.jobId, 'now')
    const error = { code: 'NETWORK' as const, message: 'gone', retryable: true, attempt: 1, details: {} }
    return { ...SUMS, type: 'retry', error, delayMs: 0 }
  })
  expect((await fleet.ended(job.id))?.state).toBe('cancelled')
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'cancelled'])
})

test('a hundred races of cancel against completion leave each job one end', async () => {
  await fleet.consume(async (claim) => completed(claim), { concurrency: 8 })
  const jobs = await Promise.all(Array.from({ length: 100 }, () => fleet.enqueue()))
  await Promise.all(jobs.map(({ id }) => fleet.producer.cancel(TENANT, id, 'race')))
  for (const { id } of jobs) {
    const view = await fleet.ended(id)
    const ends = typesOf(await fleet.events(id)).filter((type) => ['completed', 'cancelled', 'failed'].includes(type))
    expect(ends).toEqual([view?.state])
  }
  const counts = await fleet.admin.countsByState(TENANT)
  expect(counts.completed + counts.cancelled).toBe(100)
})

test('two workers share the queue and neither runs more than it may', async () => {
  const peak: Record<string, number> = { a: 0, b: 0 }
  const now: Record<string, number> = { a: 0, b: 0 }
  let release = () => {}
  const gate = new Promise<void>((resolve) => (release = resolve))
  const runAs = (name: string) => async (claim: Claim) => {
    now[name] = (now[name] ?? 0) + 1
    peak[name] = Math.max(peak[name] ?? 0, now[name])
    await gate
    now[name] -= 1
    return completed(claim)
  }
  const a = await fleet.consume(runAs('a'), { workerId: 'a', concurrency: 2 })
  const b = await fleet.consume(runAs('b'), { workerId: 'b', concurrency: 3 })
  const jobs = await Promise.all(Array.from({ length: 12 }, () => fleet.enqueue()))
  await expect.poll(() => [now['a'], now['b']], { interval: 5 }).toEqual([2, 3])
  expect([a.running(), b.running()]).toEqual([2, 3])
  release()
  for (const { id } of jobs) expect((await fleet.ended(id))?.state).toBe('completed')
  expect(peak).toEqual({ a: 2, b: 3 })
})

test('a stop hands unfinished jobs back unspent, and the next worker runs them', async () => {
  const job = await fleet.enqueue()
  const first = await fleet.consume(async (claim) => {
    await stopped(claim)
    expect(claim.signal.reason).toEqual({ kind: 'drain' })
    return { ...SUMS, type: 'returned', delayMs: 0, reason: 'drain' }
  })
  await expect.poll(() => first.running(), { interval: 5 }).toBe(1)
  await first.stop(50)
  expect(await fleet.producer.get(TENANT, job.id)).toMatchObject({ state: 'waiting', attempt: 1 })
  await fleet.consume(async (claim) => ({ ...completed(claim), firstTextMs: claim.failures }), { workerId: 'w2' })
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'completed', attempt: 2, worker: 'w2' })
})

test('data that no fleet wrote does not hold up other jobs, and a job with broken data ends as INVALID_JOB', async () => {
  const { client, keys } = fleet
  const strange = await fleet.enqueue()
  const broken = await fleet.enqueue()
  const brokenOptions = await fleet.enqueue()
  await client.hset(keys.bullJob(strange.id), 'data', '{"hello":1}')
  await client.hset(keys.bullJob(broken.id), 'data', '{"hello":')
  await client.hset(keys.bullJob(brokenOptions.id), 'opts', '{')
  await client.hset(keys.bullJob('foreign'), { name: 'x', data: '{}', opts: '{}', timestamp: '1' })
  await client.lpush(keys.bull('wait'), 'foreign', 'no-hash-at-all')
  const good = await fleet.enqueue()
  await fleet.consume(async (claim) => completed(claim), { concurrency: 1 })
  expect((await fleet.ended(good.id))?.state).toBe('completed')
  for (const { id } of [strange, broken, brokenOptions]) {
    expect(await fleet.ended(id)).toMatchObject({ state: 'failed', error: { code: 'INVALID_JOB' } })
  }
  await expect.poll(() => client.llen(keys.bull('active'))).toBe(0)
})

test('a stream that is read too late says what was cut', async () => {
  const job = await fleet.enqueue()
  await fleet.consume(async (claim) => {
    for (let at = 0; at < 5; at += 1) {
      claim.write({ type: 'log', stream: 'stdout', line: `${at}` })
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    return completed(claim)
  })
  await fleet.ended(job.id)
  await fleet.client.xtrim(fleet.keys.log(job.id), 'MAXLEN', 2)
  const events = await fleet.events(job.id)
  expect(events[0]).toMatchObject({ type: 'gap', from: 1, seq: (events[1]?.seq ?? 0) - 1 })
  expect(events.at(-1)?.type).toBe('completed')
  await fleet.client.del(fleet.keys.log(job.id))
  expect(
    typesOf(await collect(fleet.reader.events(TENANT, job.id, { after: 6, signal: AbortSignal.timeout(5_000) })), 7),
  ).toEqual(['completed'])
})

test('a consumer on hold leaves jobs to others, and goes on where it is let', async () => {
  const first = await fleet.consume(async (claim) => completed(claim, 'first'))
  first.hold(true)
  const left = await fleet.enqueue()
  const second = await fleet.consume(async (claim) => completed(claim, 'second'), { workerId: 'w2' })
  expect(await fleet.ended(left.id)).toMatchObject({ worker: 'w2', attempt: 1 })
  await second.stop(0)
  const later = await fleet.enqueue()
  first.hold(false)
  expect(await fleet.ended(later.id)).toMatchObject({ worker: 'w1', attempt: 1 })
})
