import {
  jobViewSchema,
  problemSchema,
  scheduleHistorySchema,
  schedulePageSchema,
  scheduleViewSchema,
} from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi, type TestApi } from '../testing/api.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const DAILY = { cron: '0 9 * * *', timeZone: 'Europe/Berlin', job: { prompt: 'p' } }

async function created(api: TestApi, json: object = DAILY) {
  return scheduleViewSchema.parse(await (await api.ask('/v1/schedules', { json })).json())
}

test('a schedule is created with 201 and a Location, got, listed, changed, paused, run and deleted', async () => {
  await using api = await startTestApi(redis.url)
  const reply = await api.ask('/v1/schedules', { json: { ...DAILY, name: 'daily', metadata: { k: 'v' } } })
  expect(reply.status).toBe(201)
  const schedule = scheduleViewSchema.parse(await reply.json())
  const path = `/v1/schedules/${schedule.id}`
  expect(reply.headers.get('location')).toBe(path)
  const defaults = { overlap: 'skip', catchUpMs: 3_600_000, enabled: true, job: { prompt: 'p', attempts: 3 } }
  expect(schedule).toMatchObject({ ...defaults, name: 'daily', metadata: { k: 'v' } })
  const at = new Date(schedule.nextRunAt ?? 0)
  expect(at.toLocaleTimeString('sv', { timeZone: 'Europe/Berlin' })).toBe('09:00:00')
  expect(await (await api.ask(path)).json()).toEqual(schedule)
  const { job: _, ...listed } = schedule
  expect(await (await api.ask('/v1/schedules')).json()).toEqual({ items: [listed] })

  const patch = (json: object) => api.ask(path, { method: 'PATCH', json })
  const changed = scheduleViewSchema.parse(await (await patch({ cron: '0 10 * * *', overlap: 'allow' })).json())
  expect(changed).toMatchObject({ cron: '0 10 * * *', overlap: 'allow', timeZone: 'Europe/Berlin', name: 'daily' })
  const paused = await patch({ enabled: false })
  expect([paused.status, await paused.json()]).toEqual([
    200,
    expect.not.objectContaining({ nextRunAt: expect.anything() }),
  ])
  const ran = await api.ask(`${path}/run`, { method: 'POST' })
  const job = jobViewSchema.parse(await ran.json())
  expect([ran.status, ran.headers.get('location'), job.schedule]).toEqual([202, `/v1/jobs/${job.id}`, schedule.id])
  const history = scheduleHistorySchema.parse(await (await api.ask(`${path}/history`)).json())
  expect(history.items).toMatchObject([{ trigger: 'manual', outcome: 'enqueued', jobId: job.id }])

  const gone = await api.ask(path, { method: 'DELETE' })
  expect([gone.status, await gone.text()]).toEqual([204, ''])
  for (const method of ['GET', 'DELETE']) expect((await api.ask(path, { method })).status).toBe(404)
  expect(((await (await api.ask(`/v1/jobs/${job.id}`)).json()) as { state: string }).state).toBe('waiting')
})

test.each([
  [{ ...DAILY, cron: 'every day' }, 400, 'cron'],
  [{ ...DAILY, cron: '* * * * * *' }, 400, 'cron'],
  [{ ...DAILY, timeZone: 'Berlin' }, 400, 'timeZone'],
  [{ ...DAILY, overlap: 'forbid' }, 400, 'overlap'],
  [{ ...DAILY, every: '1h' }, 400, 'every'],
  [{ cron: '@daily' }, 400, 'job'],
  [{ ...DAILY, job: { prompt: '' } }, 400, 'job.prompt'],
  [{ ...DAILY, job: { prompt: 'p', env: { PATH: '/x' } } }, 400, 'job.env.PATH'],
  [{ ...DAILY, job: { prompt: 'p', permissionMode: 'bypassPermissions' } }, 403, 'job.permissionMode'],
  [{ ...DAILY, job: { prompt: 'a'.repeat(1_048_577) } }, 413, 'job.prompt'],
])('a schedule that cannot be is refused and the field named: %#', async (json, status, path) => {
  await using api = await startTestApi(redis.url)
  const { id } = await created(api)
  for (const reply of [
    await api.ask('/v1/schedules', { json }),
    ...('job' in json ? [await api.ask(`/v1/schedules/${id}`, { method: 'PATCH', json })] : []),
  ]) {
    const problem = problemSchema.parse(await reply.json())
    expect([reply.status, problem.errors?.[0]?.path]).toEqual([status, path])
  }
  const { items } = schedulePageSchema.parse(await (await api.ask('/v1/schedules')).json())
  expect(items.map((one) => one.id)).toEqual([id])
})

test('a run beside a job that has not ended is 409, unless the policy allows it', async () => {
  await using api = await startTestApi(redis.url)
  const { id } = await created(api)
  const run = () => api.ask(`/v1/schedules/${id}/run`, { method: 'POST' })
  expect((await run()).status).toBe(202)
  const refused = await run()
  expect([refused.status, problemSchema.parse(await refused.json()).code]).toEqual([409, 'CONFLICT'])
  await api.ask(`/v1/schedules/${id}`, { method: 'PATCH', json: { overlap: 'allow' } })
  expect((await run()).status).toBe(202)
  const keyed = await api.ask(`/v1/schedules/${id}/run`, { method: 'POST', headers: { 'idempotency-key': 'k' } })
  expect(keyed.status).toBe(400)
})

test('a schedule of another tenant is 404, whatever is asked of it; scopes hold', async () => {
  const keys = [keyEntry('a', 'key-a'), keyEntry('b', 'key-b'), keyEntry('a', 'reads', 'read')].join(',')
  await using api = await startTestApi(redis.url, { keys })
  const as = (key: string, path: string, init: Parameters<TestApi['ask']>[1] = {}) =>
    api.ask(path, { ...init, headers: { authorization: `Bearer ${key}` } })
  const { id } = (await (await as('key-a', '/v1/schedules', { json: DAILY })).json()) as { id: string }
  const calls: [string, Parameters<TestApi['ask']>[1]][] = [
    ['', {}],
    ['', { method: 'PATCH', json: { enabled: false } }],
    ['', { method: 'DELETE' }],
    ['/history', {}],
    ['/run', { method: 'POST' }],
  ]
  for (const [below, init] of calls) {
    for (const other of [id, `c_${'a'.repeat(26)}`, 'x', '..%2Fjobs'])
      expect((await as('key-b', `/v1/schedules/${other}${below}`, init)).status).toBe(404)
    const method = init?.method ?? 'GET'
    expect((await as('reads', `/v1/schedules/${id}${below}`, init)).status).toBe(method === 'GET' ? 200 : 403)
  }
  expect(await (await as('key-b', '/v1/schedules')).json()).toEqual({ items: [] })
  expect((await as('reads', '/v1/schedules', { json: DAILY })).status).toBe(403)
  expect((await as('key-a', `/v1/schedules/${id}`)).status).toBe(200)
})
