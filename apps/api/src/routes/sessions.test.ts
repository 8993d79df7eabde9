import { jobViewSchema, problemSchema, sessionPageSchema, sessionViewSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi, type TestApi } from '../testing/api.js'
import { echo } from '../testing/attempt.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const CLAUDE_ID = '5f0c7a7e-2c6f-4d0e-9f53-0a7c3f1d2b11'
const ROW = { type: 'user', sessionId: CLAUDE_ID, message: { role: 'user', content: 'Remember 7' } }
const TRANSCRIPT = `${JSON.stringify(ROW)}\n`

async function created(api: TestApi, json: object = {}) {
  return sessionViewSchema.parse(await (await api.ask('/v1/sessions', { json })).json())
}

test('a session is created with 201 and a Location, got, listed, continued by jobs, forked and closed', async () => {
  await using api = await startTestApi(redis.url)
  const reply = await api.ask('/v1/sessions', { json: { model: 'opus', metadata: { k: 'v' }, ttlMs: 60_000 } })
  expect(reply.status).toBe(201)
  const session = sessionViewSchema.parse(await reply.json())
  const path = `/v1/sessions/${session.id}`
  expect(reply.headers.get('location')).toBe(path)
  expect(session).toMatchObject({
    state: 'idle',
    turns: 0,
    metadata: { k: 'v' },
    ttlMs: 60_000,
    options: { model: 'opus' },
  })
  expect(await (await api.ask(path)).json()).toEqual(session)
  const { options: _, ...listed } = session
  expect(await (await api.ask('/v1/sessions?state=idle')).json()).toEqual({ items: [listed] })

  await api.consume(echo)
  const enqueued = await api.ask('/v1/jobs', { json: { prompt: 'one', session: session.id } })
  const job = jobViewSchema.parse(await enqueued.json())
  expect([enqueued.status, job.session]).toEqual([202, session.id])
  expect((await api.ask(`/v1/jobs/${job.id}/result?wait=20`)).status).toBe(200)
  const ofSession = await (await api.ask(`/v1/jobs?session=${session.id}`)).json()
  expect(ofSession).toMatchObject({ items: [{ id: job.id }] })
  expect(await (await api.ask(path)).json()).toMatchObject({ state: 'idle', turns: 1 })

  const fork = await created(api, { fork: session.id })
  expect(fork).toMatchObject({ parent: session.id, options: { model: 'opus' }, turns: 1 })
  for (let times = 0; times < 2; times += 1) {
    const closed = await api.ask(path, { method: 'DELETE' })
    expect([closed.status, await closed.json()]).toEqual([202, expect.objectContaining({ state: 'closed' })])
  }
  const refused = await api.ask('/v1/jobs', { json: { prompt: 'two', session: session.id } })
  const problem = problemSchema.parse(await refused.json())
  expect([refused.status, problem.code, problem.errors?.[0]?.path]).toEqual([409, 'SESSION_CLOSED', 'session'])
  expect((await api.ask(`/v1/jobs/${job.id}/retry`, { method: 'POST' })).status).toBe(409)
})

test('a repeated call with its key answers 200 and the same session, and 422 with another body', async () => {
  await using api = await startTestApi(redis.url)
  const send = (json: object) => api.ask('/v1/sessions', { json, headers: { 'idempotency-key': 'k' } })
  const [first, again, other] = [await send({ model: 'a' }), await send({ model: 'a' }), await send({ model: 'b' })]
  expect([first.status, again.status, other.status]).toEqual([201, 200, 422])
  expect(await again.json()).toEqual(await first.json())
})

test.each([
  [{ prompt: 'p' }, 400, 'prompt'],
  [{ cwd: '../x' }, 400, 'cwd'],
  [{ env: { PATH: '/x' } }, 400, 'env.PATH'],
  [{ permissionMode: 'bypassPermissions' }, 403, 'permissionMode'],
  [{ labels: ['a b'] }, 400, 'labels.0'],
  [{ ttlMs: 1 }, 400, 'ttlMs'],
  [{ fork: 'x' }, 400, 'fork'],
  [{ fork: `s_${'a'.repeat(26)}`, cwd: 'x' }, 400, 'cwd'],
  [{ fork: `s_${'a'.repeat(26)}` }, 404, 'fork'],
])('a session that cannot be is refused and the field named: %#', async (json, status, path) => {
  await using api = await startTestApi(redis.url)
  const reply = await api.ask('/v1/sessions', { json })
  expect([reply.status, problemSchema.parse(await reply.json()).errors?.[0]?.path]).toEqual([status, path])
  expect(await (await api.ask('/v1/sessions')).json()).toEqual({ items: [] })
})

test('a job that names a session carries no option of the conversation, also in a batch and a schedule', async () => {
  await using api = await startTestApi(redis.url)
  const { id: session } = await created(api)
  const job = { prompt: 'p', session, model: 'opus', credential: 'default' }
  const calls = [
    ['/v1/jobs', job, ''],
    ['/v1/jobs/batch', { jobs: [{ prompt: 'p' }, job] }, 'jobs.1.'],
    ['/v1/schedules', { cron: '@daily', job }, 'job.'],
  ] as const
  for (const [path, json, at] of calls) {
    const reply = await api.ask(path, { json })
    const { errors } = problemSchema.parse(await reply.json())
    expect([reply.status, errors?.map((fault) => fault.path)]).toEqual([400, [`${at}model`, `${at}credential`]])
  }
  expect(await (await api.ask('/v1/jobs')).json()).toEqual({ items: [] })
})

test('a memory is exported as lines, and brought into a new session; what is none is refused', async () => {
  await using api = await startTestApi(redis.url)
  const reply = await api.ask('/v1/sessions/import', { json: { model: 'opus', transcript: TRANSCRIPT } })
  const session = sessionViewSchema.parse(await reply.json())
  expect([reply.status, reply.headers.get('location')]).toEqual([201, `/v1/sessions/${session.id}`])
  expect(session).toMatchObject({ turns: 1, options: { model: 'opus' } })
  expect(session.transcriptBytes).toBeGreaterThan(0)
  const exported = await api.ask(`/v1/sessions/${session.id}/transcript`)
  expect([exported.headers.get('content-type'), await exported.text()]).toEqual([
    expect.stringContaining('application/x-ndjson'),
    TRANSCRIPT,
  ])
  const { id } = await created(api)
  expect(await (await api.ask(`/v1/sessions/${id}/transcript`)).text()).toBe('')
  const other = JSON.stringify({ ...ROW, sessionId: CLAUDE_ID.replace('5f', '6f') })
  for (const transcript of ['', 'x', '{"type":"user"}', '[]', TRANSCRIPT + other, TRANSCRIPT + '{"__proto__":{}}']) {
    const bad = await api.ask('/v1/sessions/import', { json: { transcript } })
    expect([transcript, bad.status]).toEqual([transcript, 400])
  }
  expect(sessionPageSchema.parse(await (await api.ask('/v1/sessions')).json()).items).toHaveLength(2)
})

test('a session of another tenant is 404, whatever is asked of it; scopes hold', async () => {
  const keys = [keyEntry('a', 'key-a'), keyEntry('b', 'key-b'), keyEntry('a', 'reads', 'read')].join(',')
  await using api = await startTestApi(redis.url, { keys })
  const as = (key: string, path: string, init: Parameters<TestApi['ask']>[1] = {}) =>
    api.ask(path, { ...init, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } })
  const { id } = (await (await as('key-a', '/v1/sessions', { json: {} })).json()) as { id: string }
  const calls: [string, Parameters<TestApi['ask']>[1]][] = [
    ['', {}],
    ['/transcript', {}],
    ['', { method: 'DELETE' }],
  ]
  for (const [below, init] of calls) {
    for (const other of [id, `s_${'a'.repeat(26)}`, 'x', '..%2Fjobs'])
      expect((await as('key-b', `/v1/sessions/${other}${below}`, init)).status).toBe(404)
    const method = init?.method ?? 'GET'
    expect((await as('reads', `/v1/sessions/${id}${below}`, init)).status).toBe(method === 'GET' ? 200 : 403)
  }
  for (const json of [{ prompt: 'p', session: id }]) {
    expect((await as('key-b', '/v1/jobs', { json })).status).toBe(404)
    expect((await as('key-b', '/v1/jobs/batch', { json: { jobs: [json] } })).status).toBe(404)
  }
  expect((await as('key-b', '/v1/sessions', { json: { fork: id } })).status).toBe(404)
  expect(await (await as('key-b', '/v1/sessions')).json()).toEqual({ items: [] })
  expect(await (await as('key-b', `/v1/jobs?session=${id}`)).json()).toEqual({ items: [] })
  expect((await as('reads', '/v1/sessions', { json: {} })).status).toBe(403)
  expect(await (await as('key-a', `/v1/sessions/${id}`)).json()).toMatchObject({ state: 'idle', queued: 0 })
})
