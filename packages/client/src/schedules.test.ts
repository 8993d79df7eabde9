import { FleetError } from '@claude-fleet/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestFleet, startTestRedis } from './testing/fleet.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const DAILY = { cron: '@daily', job: { prompt: 'echo hi', metadata: { k: 'v' } } }

async function errorOf(work: Promise<unknown>) {
  const error = await work.catch((reason: unknown) => reason)
  if (!(error instanceof FleetError)) throw new Error(`not a FleetError: ${String(error)}`)
  const errors = (error.details['errors'] ?? []) as { path: string }[]
  return { code: error.code, paths: errors.map(({ path }) => path) }
}

/** What both transports promise, word for word. */
describe.each(['http', 'redis'] as const)('over %s', (transport) => {
  test('a schedule is created, got, listed, changed, run and deleted', async () => {
    await using fleet = await openTestFleet(redis.url)
    const { schedules } = await fleet.connect(transport)
    const made = await schedules.create({ ...DAILY, name: 'daily', timeZone: 'Asia/Tokyo' })
    expect(made).toMatchObject({
      name: 'daily',
      overlap: 'skip',
      enabled: true,
      job: { prompt: 'echo hi', attempts: 3 },
    })
    expect(new Date(made.nextRunAt ?? 0).toISOString()).toContain('T15:00:00')
    expect(await schedules.get(made.id)).toEqual(made)
    const second = await schedules.create(DAILY)
    const first = await schedules.list({ limit: 1 })
    const rest = await schedules.list({ limit: 1, cursor: first.nextCursor })
    const listed = [...first.items, ...rest.items]
    expect(listed.map(({ id }) => id).sort()).toEqual([made.id, second.id].sort())
    expect(listed.some((item) => item.job !== undefined) || rest.nextCursor !== undefined).toBe(false)

    expect(await schedules.update(made.id, { enabled: false })).not.toHaveProperty('nextRunAt')
    const job = await schedules.run(made.id)
    expect(await errorOf(schedules.run(made.id))).toMatchObject({ code: 'CONFLICT' })
    await fleet.work()
    expect((await job.result()).text).toBe('hi')
    expect(await job.get()).toMatchObject({ schedule: made.id, metadata: { k: 'v' } })
    const history = await schedules.history(made.id)
    expect(history.map(({ outcome, trigger }) => [outcome, trigger])).toEqual([
      ['skipped', 'manual'],
      ['enqueued', 'manual'],
    ])
    expect(history.map(({ jobId }) => jobId)).toEqual([job.id, job.id])
    expect(await schedules.delete(made.id)).toBeUndefined()
    expect(await errorOf(schedules.get(made.id))).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('what cannot be is refused before it is sent, each field named; what is not there is NOT_FOUND', async () => {
    await using fleet = await openTestFleet(redis.url)
    const { schedules } = await fleet.connect(transport)
    const bad = { cron: 'x', timeZone: 'x', job: { prompt: '', args: [] } } as never
    expect(await errorOf(schedules.create(bad))).toEqual({
      code: 'INVALID_REQUEST',
      paths: ['cron', 'timeZone', 'job.prompt', 'job.args'],
    })
    for (const id of [`c_${'a'.repeat(26)}`, '../jobs', '']) {
      const calls = [
        schedules.get(id),
        schedules.update(id, { enabled: true }),
        schedules.delete(id),
        schedules.history(id),
        schedules.run(id),
      ]
      for (const { code } of await Promise.all(calls.map(errorOf))) expect(code).toBe('NOT_FOUND')
    }
    const { id } = await schedules.create(DAILY)
    expect((await errorOf(schedules.update(id, { cron: '* * * * * *' }))).paths).toEqual(['cron'])
    const named = { ...DAILY, job: { prompt: 'p', webhook: `wh_${'a'.repeat(26)}` } }
    expect((await errorOf(schedules.create(named))).paths).toEqual(['job.webhook'])
    const reason = new Error('no more time')
    await expect(schedules.list({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('a delayed job says when it runs, and is cancelled before it does', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const job = await client.enqueue({ prompt: 'echo late', delayMs: 60_000 })
    const view = await job.get()
    expect(view).toMatchObject({ state: 'delayed', runsAt: view.createdAt + 60_000 })
    expect(await job.cancel()).toBe('cancelling')
    expect(await errorOf(job.result())).toMatchObject({ code: 'CANCELLED' })
  })
})
