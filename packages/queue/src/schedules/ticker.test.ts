import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, specOf, stopped, TENANT, typesOf, USAGE } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { EVERY_SECOND, openScheduledFleet, type ScheduledFleet } from '../testing/schedules.js'

let server: TestRedis
let fleet: ScheduledFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openScheduledFleet(server.url)))
afterEach(() => fleet.close())

const HOUR_MS = 3_600_000
const poll = <T>(read: () => Promise<T>) => expect.poll(read, { interval: 10, timeout: 10_000 })
const outcomes = async (id: string) => (await fleet.history(id)).map(({ outcome }) => outcome)

test('every time makes one job with its record and stream, however many tickers there are', async () => {
  const id = await fleet.create({ cron: EVERY_SECOND, overlap: 'allow', job: specOf({ metadata: { k: 'v' } }) })
  for (let count = 0; count < 3; count += 1) await fleet.startTicker()
  await poll(async () => (await fleet.history(id)).length).toBeGreaterThanOrEqual(3)
  await fleet.schedules.update(TENANT, id, { enabled: false })
  // On a machine that is busy for over a second a time is missed, and the next one comes.
  const runs = (await fleet.history(id)).filter(({ outcome }) => outcome !== 'missed')
  const times = runs.map(({ at }) => at)
  expect(times).toEqual([...new Set(times)].sort((x, y) => y - x))
  expect(runs.every(({ outcome, trigger }) => outcome === 'enqueued' && trigger === 'cron')).toBe(true)
  const ids = runs.map(({ jobId = '' }) => jobId)
  expect(await fleet.client.zcard(fleet.keys.jobs(TENANT))).toBe(new Set(ids).size)
  await fleet.consume(async (claim) => completed(claim))
  for (const jobId of ids) {
    expect(await fleet.ended(jobId)).toMatchObject({ state: 'completed', schedule: id, metadata: { k: 'v' } })
    expect(typesOf(await fleet.events(jobId))).toEqual(['queued', 'completed'])
  }
  const view = await fleet.schedules.get(TENANT, id)
  expect(view).toMatchObject({ enabled: false, lastJobId: ids[0], lastRunAt: runs[0]?.recordedAt })
  expect(view).not.toHaveProperty('nextRunAt')
})

test('skip leaves out a time whose job before has not ended, and goes on when it has', async () => {
  const id = await fleet.create()
  await fleet.startTicker()
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['enqueued'])
  const [first] = await fleet.history(id)
  const skippedAt = await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['skipped', 'enqueued'])
  expect((await fleet.history(id))[0]).toMatchObject({ at: skippedAt, jobId: first?.jobId })
  await expect(fleet.schedules.run(TENANT, id)).rejects.toMatchObject({ code: 'CONFLICT', jobId: first?.jobId })
  await fleet.producer.cancel(TENANT, first?.jobId ?? '', 'enough')
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['enqueued', 'skipped', 'skipped', 'enqueued'])
})

test('replace cancels the job before, also one that runs; its worker is told why', async () => {
  const id = await fleet.create({ overlap: 'replace' })
  let reason = ''
  await fleet.consume(async (claim) => {
    if (reason !== '') return completed(claim)
    await stopped(claim)
    reason = (claim.signal.reason as { reason: string }).reason
    return { type: 'cancelled', reason, costUsd: 0, usage: USAGE, tools: {} }
  })
  const first = await fleet.schedules.run(TENANT, id)
  await poll(async () => (await fleet.producer.get(TENANT, first?.id ?? ''))?.state).toBe('active')
  await fleet.startTicker()
  await fleet.comeNow(id)
  expect((await fleet.ended(first?.id ?? ''))?.state).toBe('cancelled')
  expect(reason).toBe('replaced by the next job of its schedule')
  const [run] = await fleet.history(id)
  expect(run).toMatchObject({ outcome: 'enqueued', trigger: 'cron', replaced: first?.id })
  expect((await fleet.ended(run?.jobId ?? ''))?.state).toBe('completed')
})

test('allow puts another job beside the one that has not ended', async () => {
  const id = await fleet.create({ overlap: 'allow' })
  await fleet.schedules.run(TENANT, id)
  await fleet.schedules.run(TENANT, id)
  expect(await outcomes(id)).toEqual(['enqueued', 'enqueued'])
})

test.each([
  ['within its catch-up time a missed time comes late, once', 30 * 60_000, ['enqueued']],
  ['past it the time is missed, and written down', 2 * HOUR_MS, ['missed']],
])('%s', async (_name, lateMs, expected) => {
  const id = await fleet.create({ catchUpMs: HOUR_MS })
  const at = Number(await fleet.client.zscore(fleet.keys.ticks, id))
  await fleet.startTicker({ now: () => at + lateMs })
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(expected)
  expect((await fleet.history(id))[0]?.at).toBe(at)
})

test('of several missed times the last one comes, and the first is written down as missed', async () => {
  const id = await fleet.create({ cron: '*/10 * * * *' })
  const at = Number(await fleet.client.zscore(fleet.keys.ticks, id))
  const now = () => at + 5 * HOUR_MS + 60_000
  await fleet.startTicker({ now })
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['enqueued', 'missed'])
  expect((await fleet.history(id)).map((run) => run.at)).toEqual([at + 5 * HOUR_MS, at])
  expect(await fleet.client.zcard(fleet.keys.jobs(TENANT))).toBe(1)
})

test('a time of before a change, a pause or the end of its schedule is void', async () => {
  const paused = await fleet.create()
  const changed = await fleet.create()
  const gone = await fleet.create()
  const good = await fleet.create()
  // Due, and taken by nobody yet: the change finds it in the queue.
  for (const id of [paused, changed, gone, good]) await fleet.comeNow(id)
  await fleet.schedules.update(TENANT, paused, { enabled: false })
  await fleet.schedules.update(TENANT, changed, { cron: '0 0 2 1 *' })
  expect(await fleet.schedules.remove(TENANT, gone)).toBe(true)
  await fleet.startTicker()
  await poll(() => outcomes(good)).toEqual(['enqueued'])
  await poll(() => fleet.ticks.getJobCounts('wait', 'active')).toMatchObject({ wait: 0, active: 0 })
  expect([await outcomes(paused), await outcomes(changed)]).toEqual([[], []])
  expect(await fleet.client.zcard(fleet.keys.jobs(TENANT))).toBe(1)
  expect((await fleet.client.zrange(fleet.keys.ticks, '0', '-1')).sort()).toEqual([changed, good].sort())
  expect(await fleet.client.keys(`${fleet.prefix}:*${gone}*`)).toEqual([])
})

test('a stored job that is none any more is told in the history, and the schedule goes on', async () => {
  const id = await fleet.create({ overlap: 'allow' })
  const good = (await fleet.client.hget(fleet.keys.schedule(id), 'job')) ?? ''
  await fleet.client.hset(fleet.keys.schedule(id), 'job', '{"prompt":""}')
  await fleet.startTicker()
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['failed'])
  const [run] = await fleet.history(id)
  expect(run?.error).toMatchObject({ code: 'INVALID_JOB', message: expect.stringContaining('job.prompt') as string })
  expect(run).not.toHaveProperty('jobId')
  await fleet.client.hset(fleet.keys.schedule(id), 'job', good)
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['enqueued', 'failed'])
  const { scheduleTimes } = await fleet.admin.metrics()
  expect(scheduleTimes).toEqual({ enqueued: 1, skipped: 0, missed: 0, failed: 1 })
})

test('what others put into the queue of times stops nothing', async () => {
  const id = await fleet.create()
  await fleet.ticks.add('x', { v: 1, timing: 1 }, { jobId: 'foreign' })
  await fleet.ticks.add('x', { v: 9 }, { jobId: `repeat:${id}:123` })
  await fleet.startTicker()
  await fleet.comeNow(id)
  await poll(() => outcomes(id)).toEqual(['enqueued'])
  expect(await fleet.client.zcard(fleet.keys.jobs(TENANT))).toBe(1)
})
