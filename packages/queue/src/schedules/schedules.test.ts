import { LIMITS, scheduleListQuerySchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { specOf, TENANT } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { openScheduledFleet, scheduleOf, YEARLY, type ScheduledFleet } from '../testing/schedules.js'

let server: TestRedis
let fleet: ScheduledFleet
beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openScheduledFleet(server.url)
})
afterAll(async () => {
  await fleet.close()
  await server.stop()
})

test('a schedule is kept as it was given, changed in part, paused, resumed and removed', async () => {
  const { schedules } = fleet
  const spec = scheduleOf({ name: 'nightly', timeZone: 'Europe/Berlin', metadata: { team: 'docs' } })
  const made = await schedules.create(TENANT, spec)
  expect(made).toMatchObject({ ...spec, id: expect.stringMatching(/^c_[a-z2-7]{26}$/) as string })
  const year = new Date(made.nextRunAt ?? 0)
  expect(year.toLocaleString('sv', { timeZone: 'Europe/Berlin' })).toMatch(/^\d{4}-01-01 00:00:00$/)
  expect(year.getTime()).toBeGreaterThan(Date.now())
  const changed = await schedules.update(TENANT, made.id, { cron: '0 12 1 1 *', job: specOf({ prompt: 'other' }) })
  expect(changed).toMatchObject({ name: 'nightly', cron: '0 12 1 1 *', job: { prompt: 'other' } })
  expect(changed?.nextRunAt).toBe((made.nextRunAt ?? 0) + 12 * 3_600_000)
  const paused = await schedules.update(TENANT, made.id, { enabled: false })
  expect(paused).not.toHaveProperty('nextRunAt')
  const ran = await schedules.run(TENANT, made.id)
  expect(ran).toMatchObject({ state: 'waiting', schedule: made.id })
  expect((await schedules.update(TENANT, made.id, { enabled: true }))?.nextRunAt).toBe(changed?.nextRunAt)
  expect(await schedules.remove(TENANT, made.id)).toBe(true)
  expect(await schedules.remove(TENANT, made.id)).toBe(false)
  expect(await schedules.get(TENANT, made.id)).toBeUndefined()
  expect(await fleet.client.zscore(fleet.keys.ticks, made.id)).toBeNull()
  expect((await fleet.producer.get(TENANT, ran?.id ?? ''))?.state).toBe('waiting')
})

test('a schedule of another tenant does not exist', async () => {
  const { schedules } = fleet
  const id = await fleet.create()
  const foreign = [
    await schedules.get('other', id),
    await schedules.update('other', id, { enabled: false }),
    await schedules.history('other', id),
    await schedules.run('other', id),
  ]
  expect(foreign).toEqual([undefined, undefined, undefined, undefined])
  expect(await schedules.remove('other', id)).toBe(false)
  expect(await schedules.list('other', scheduleListQuerySchema.parse({}))).toEqual({ items: [] })
  expect(await schedules.get(TENANT, id)).toMatchObject({ enabled: true })
  expect(await schedules.history(TENANT, id)).toEqual([])
})

test('pages of a list hold every schedule once, newest first, without jobs', async () => {
  const made: string[] = []
  for (let count = 0; count < 7; count += 1) made.push(await fleet.create({}, 'lister'))
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await fleet.schedules.list('lister', scheduleListQuerySchema.parse({ limit: 3, cursor }))
    expect(page.items.every((item) => item.job === undefined && item.nextRunAt !== undefined)).toBe(true)
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor
  } while (cursor !== undefined)
  expect([...seen].sort()).toEqual([...made].sort())
})

test('a tenant has so many schedules and no more', async () => {
  const entries = Array.from({ length: LIMITS.schedules - 1 }, (_, at) => [at, `x${at}`]).flat()
  await fleet.client.zadd(fleet.keys.schedules('many'), ...(entries as [number, string]))
  await fleet.create({}, 'many')
  await expect(fleet.create({}, 'many')).rejects.toMatchObject({ code: 'CONFLICT', retryable: false })
  expect(await fleet.create({}, 'few')).toMatch(/^c_/)
})

test('a schedule that is made in the hour that is there twice does not come in its second half', async () => {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2026-10-25T01:10:00Z'))
  const id = await fleet.create({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
  clock.mockRestore()
  const next = (await fleet.schedules.get(TENANT, id))?.nextRunAt ?? 0
  expect(new Date(next).toISOString()).toBe('2026-10-26T01:30:00.000Z')
})

test('changes by many at once leave the queue with the times of the last', async () => {
  const id = await fleet.create({ cron: YEARLY })
  const crons = Array.from({ length: 12 }, (_, at) => `0 0 ${at + 2} 1 *`)
  const answers = await Promise.allSettled(crons.map((cron) => fleet.schedules.update(TENANT, id, { cron })))
  for (const answer of answers)
    if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'CONFLICT' })
  const view = await fleet.schedules.get(TENANT, id)
  expect(await fleet.client.hget(fleet.keys.tick(id), 'pattern')).toBe(view?.cron)
  expect(new Date(view?.nextRunAt ?? 0).getUTCDate()).toBe(Number(view?.cron.split(' ')[2]))
  expect((await fleet.ticks.getDelayed()).filter((job) => job.id?.includes(id))).toHaveLength(1)
})
