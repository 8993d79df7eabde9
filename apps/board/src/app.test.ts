import { problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestBoard } from './testing/board.js'

let board: Awaited<ReturnType<typeof startTestBoard>>
beforeAll(async () => {
  board = await startTestBoard()
})
afterAll(() => board.stop())

const basic = (login: string) => `Basic ${Buffer.from(login).toString('base64')}`
const OURS = { 'x-fleet-board': '1' }

test('every path but the probes wants a sign-in, the right one', async () => {
  const paths = [
    '/',
    '/jobs/x',
    '/site/main.js',
    '/api/fleet',
    '/api/jobs',
    '/admin/queues',
    '/admin/queues/api/queues',
    '/none',
  ]
  for (const path of paths) {
    const reply = await fetch(board.url + path)
    expect({ path, status: reply.status }).toEqual({ path, status: 401 })
    expect(reply.headers.get('www-authenticate')).toBe('Basic realm="claude-fleet", charset="UTF-8"')
    expect(problemSchema.parse(await reply.json()).code).toBe('UNAUTHENTICATED')
  }
  for (const path of ['/healthz', '/readyz']) expect((await fetch(board.url + path)).status).toBe(200)
  expect((await board.ask('/')).status).toBe(200)
})

test('an action must come from the site itself', async () => {
  const id = await board.enqueue('acme', { prompt: 'p' })
  const cancel = (headers: Record<string, string>) =>
    board.ask(`/api/jobs/${id}/cancel`, { method: 'POST', headers }).then(({ status }) => status)
  expect(await cancel({})).toBe(403)
  expect(await cancel({ ...OURS, origin: 'http://evil.test' })).toBe(403)
  expect(await cancel({ ...OURS, origin: 'null' })).toBe(403)
  expect(await cancel({ ...OURS, 'sec-fetch-site': 'cross-site' })).toBe(403)
  expect(await (await board.ask(`/api/jobs/${id}`)).json()).toMatchObject({ job: { state: 'waiting' } })
  expect(await cancel({ ...OURS, origin: board.url, 'sec-fetch-site': 'same-origin' })).toBe(202)
  expect(await (await board.ask(`/api/jobs/${id}`)).json()).toMatchObject({
    tenant: 'acme',
    job: { state: 'cancelled', error: { message: 'cancelled by the operator operator' } },
  })
  const retried = await board.ask(`/api/jobs/${id}/retry`, { method: 'POST', headers: OURS })
  const { id: again } = (await retried.json()) as { id: string }
  expect(await (await board.ask(`/api/jobs/${again}`)).json()).toMatchObject({ tenant: 'acme', job: { retryOf: id } })
})

test('values of env are shown nowhere, neither here nor in Bull Board', async () => {
  const id = await board.enqueue('acme', { prompt: 'p', env: { TOKEN: 'canary-value' } })
  const pages = [
    `/api/jobs/${id}`,
    '/api/jobs',
    '/admin/queues/api/queues?activeQueue=prompts&status=waiting',
    `/admin/queues/api/queues/prompts/${id}`,
  ]
  const texts = await Promise.all(pages.map(async (path) => (await board.ask(path)).text()))
  expect(texts[0]).toContain('"env":{"TOKEN":"…"}')
  expect(texts[3]).toContain('TOKEN')
  for (const text of texts) expect(text).not.toContain('canary-value')
})

test('what is asked wrongly is refused with the field named, and what is not there is 404', async () => {
  const bad = await board.ask('/api/jobs?state=nonsense')
  expect(bad.status).toBe(400)
  expect(problemSchema.parse(await bad.json()).errors?.map(({ path }) => path)).toEqual(['state'])
  for (const path of [
    '/api/jobs/meta',
    '/api/jobs/j_aaaaaaaaaaaaaaaaaaaaaaaaaa',
    '/api/jobs/x/events',
    '/site/../package.json',
  ])
    expect((await board.ask(path)).status).toBe(404)
  const drain = await board.ask('/api/workers/nobody/drain', { method: 'POST', headers: OURS })
  expect(drain.status).toBe(404)
})

test('a job is followed as Server-Sent Events, from where the reader was', async () => {
  const id = await board.enqueue('globex', { prompt: 'p' })
  await board.ask(`/api/jobs/${id}/cancel`, { method: 'POST', headers: OURS })
  const all = await (await board.ask(`/api/jobs/${id}/events`)).text()
  expect(all).toMatch(/^id: 1\nevent: queued\n[^]*id: 2\nevent: cancelled\n/)
  const rest = await (await board.ask(`/api/jobs/${id}/events`, { headers: { 'last-event-id': '1' } })).text()
  expect(rest).toMatch(/^id: 2\nevent: cancelled\n/)
})

test('Bull Board opens with 2,000 jobs, and none of its routes changes anything', async () => {
  await Promise.all(Array.from({ length: 2_000 }, () => board.enqueue('many', { prompt: 'p' })))
  const listed = await board.ask('/admin/queues/api/queues?activeQueue=prompts&status=waiting')
  expect(listed.status).toBe(200)
  const counts = ((await listed.json()) as { queues: { counts: Record<string, number> }[] }).queues[0]?.counts
  // Where several tenants have jobs most are held back, which to BullMQ is a delay.
  expect((counts?.['waiting'] ?? 0) + (counts?.['delayed'] ?? 0)).toBeGreaterThanOrEqual(2_000)
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
    const reply = await board.ask('/admin/queues/api/queues/prompts/pause', { method, headers: OURS })
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  }
})

// Last: it shuts this address out.
test('ten wrong sign-ins shut an address out for a while, also with the right one', async () => {
  const wrong = ['operator:wrong', 'nobody:a long password', ':', 'operator']
  const tries = Array.from({ length: 10 }, (_, at) => wrong[at % wrong.length] ?? '')
  for (const login of tries)
    expect((await board.ask('/', { headers: { authorization: basic(login) } })).status).toBe(401)
  const shut = await board.ask('/')
  expect(shut.status).toBe(429)
  expect(Number(shut.headers.get('retry-after'))).toBeGreaterThan(0)
})
