import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, startNode, type RunningProcess } from '../support/service.js'
import { createHostileTally } from './tally.js'

/** The owner, somebody else, and one that has never done anything. */
const TENANTS = ['canary-owner', 'other', 'fresh'] as const
type Tenant = (typeof TENANTS)[number]

interface Operation {
  operationId: string
  requestBody?: { content: { 'application/json': { examples: Record<string, { value: unknown }> } } }
}
interface Call {
  id: string
  method: string
  path: string
  body: unknown
}

const tally = createHostileTally('what is of another tenant')
const keys = Object.fromEntries(TENANTS.map((tenant) => [tenant, randomBytes(16).toString('hex')]))
let redis: PrivateRedis
let api: RunningProcess
let url: string
let calls: Call[]
/** What the owner has, by the first word of its path. */
const owned: Record<string, string> = {}
let batch: string
beforeAll(async () => {
  redis = await startRedis()
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  api = startNode([CLAUDE_FLEET, 'api'], {
    env: {
      REDIS_URL: redis.url,
      FLEET_API_PORT: '0',
      FLEET_API_KEYS: TENANTS.map((tenant) => `${tenant}:${hash(keys[tenant] ?? '')}:enqueue+read+admin`).join(','),
      FLEET_WEBHOOK_KEY: randomBytes(32).toString('hex'),
      FLEET_WEBHOOK_ALLOW: '127.0.0.1',
      FLEET_LOG_LEVEL: 'error',
    },
  })
  url = await api.message((message) => (message as { url?: string }).url)
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Operation>>
  }
  calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const [example] = Object.values(operation.requestBody?.content['application/json'].examples ?? {})
      const call = { id: operation.operationId, method: method.toUpperCase(), path, body: example?.value }
      return path.startsWith('/v1/') ? [call] : []
    }),
  )
  const made = async (path: string, body: unknown, headers = {}) => {
    const reply = await ask('canary-owner', 'POST', path, body, headers)
    const text = await reply.text()
    if (!reply.ok) throw new Error(`${path}: ${text}`)
    return (JSON.parse(text) as { id: string }).id
  }
  const job = { prompt: 'canary-prompt', metadata: { canary: 'canary-metadata' } }
  owned['jobs'] = await made('/v1/jobs', job, { 'idempotency-key': 'shared-key' })
  batch = await made('/v1/jobs/batch', { jobs: [job, job] }, { 'idempotency-key': 'shared-batch' })
  owned['webhooks'] = await made('/v1/webhooks', { url: 'http://127.0.0.1:9999/canary', description: 'canary' })
  owned['schedules'] = await made('/v1/schedules', { name: 'canary', cron: '0 0 1 1 *', job })
  const sessions = calls.find(({ method, path }) => method === 'POST' && path === '/v1/sessions')
  if (sessions !== undefined) owned['sessions'] = await made('/v1/sessions', {})
})
afterAll(async () => {
  tally.write()
  await api.stop()
  await redis.stop()
})

function ask(tenant: Tenant, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${keys[tenant]}`,
      'x-request-id': 'same',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

/** All that a caller sees of a reply but when it came. */
async function seen(reply: Response) {
  const { date: _date, ...headers } = Object.fromEntries(reply.headers)
  return { status: reply.status, headers, body: await reply.text() }
}

/** An id of the same kind that nobody has. */
const absent = (id: string) => id.replace(/(?<=_).+$/, (rest) => 'a'.repeat(rest.length))

test('whatever a tenant asks of what another has is answered byte for byte as of what nobody has', async () => {
  const wrong: string[] = []
  const withId = calls.filter(({ path }) => path.includes('{id}'))
  const kinds = new Set(withId.map(({ path }) => path.split('/')[2] ?? ''))
  // Workers belong to no tenant. Any other kind, also one to come, needs something that the owner has.
  kinds.delete('workers')
  expect([...kinds].toSorted()).toEqual(Object.keys(owned).toSorted())
  for (const { id, method, path, body } of withId) {
    const own = owned[path.split('/')[2] ?? '']
    if (own === undefined) continue
    const of = (target: string) => ask('other', method, path.replace('{id}', target), body)
    const [foreign, none] = [await seen(await of(own)), await seen(await of(absent(own)))]
    const right = foreign.status === 404 && JSON.stringify(foreign) === JSON.stringify(none)
    tally.tried(right)
    if (!right) wrong.push(`${id}: ${JSON.stringify(foreign)} is not ${JSON.stringify(none)}`)
  }
  expect(wrong).toEqual([])
  // The same calls of the owner find it, so that the above is not for want of it.
  for (const { method, path } of withId.filter((call) => call.method === 'GET' && !/events|result/.test(call.path))) {
    const own = owned[path.split('/')[2] ?? '']
    if (own !== undefined) expect((await ask('canary-owner', method, path.replace('{id}', own))).status).toBe(200)
  }
})

test('lists, figures and metrics hold nothing of another tenant', async () => {
  const paths = calls.filter(({ method, path }) => method === 'GET' && !path.includes('{')).map(({ path }) => path)
  expect(paths).toEqual(expect.arrayContaining(['/v1/jobs', '/v1/stats', '/v1/schedules', '/v1/webhooks']))
  const secrets = [...Object.values(owned), batch, 'canary']
  for (const path of [...paths, `/v1/jobs?batch=${batch}`, '/v1/jobs?state=waiting', '/metrics', '/readyz']) {
    const [other, fresh] = [await seen(await ask('other', 'GET', path)), await seen(await ask('fresh', 'GET', path))]
    const right = other.status === 200 && secrets.every((secret) => !other.body.includes(secret))
    tally.tried(right)
    expect({ path, right }).toEqual({ path, right: true })
    if (path.startsWith('/v1/')) expect({ path, ...other }).toEqual({ path, ...fresh })
  }
  expect((await seen(await ask('canary-owner', 'GET', '/v1/jobs'))).body).toContain('canary-metadata')
})

test('what a request names of another tenant does not exist for it, and its idempotency keys are its own', async () => {
  const job = { prompt: 'p' }
  for (const [path, field, body] of [
    ['/v1/jobs', 'webhooks', (id: string) => ({ ...job, webhook: id })],
    ['/v1/jobs/batch', 'webhooks', (id: string) => ({ jobs: [{ ...job, webhook: id }] })],
    ['/v1/schedules', 'webhooks', (id: string) => ({ cron: '0 0 1 1 *', job: { ...job, webhook: id } })],
    ['/v1/jobs', 'sessions', (id: string) => ({ ...job, session: id })],
    ['/v1/schedules', 'sessions', (id: string) => ({ cron: '0 0 1 1 *', job: { ...job, session: id } })],
  ] as const) {
    const own = owned[field]
    // No session can be made yet.
    if (own === undefined) continue
    const of = async (id: string) => seen(await ask('other', 'POST', path, body(id)))
    const [foreign, none] = [await of(own), await of(absent(own))]
    const text = (reply: typeof none) => JSON.stringify(reply).replaceAll(own, 'ID').replaceAll(absent(own), 'ID')
    const right = foreign.status >= 400 && foreign.status < 500 && text(foreign) === text(none)
    tally.tried(right)
    expect({ path, field, foreign }).toEqual({ path, field, foreign: right ? foreign : none })
  }
  const one = await ask('fresh', 'POST', '/v1/jobs', { prompt: 'another' }, { 'idempotency-key': 'shared-key' })
  const all = await ask('fresh', 'POST', '/v1/jobs/batch', { jobs: [job] }, { 'idempotency-key': 'shared-batch' })
  const ids = [((await one.json()) as { id: string }).id, ((await all.json()) as { id: string }).id]
  tally.tried(one.status === 202 && all.status === 202)
  expect([one.status, all.status]).toEqual([202, 202])
  expect(ids).not.toContain(owned['jobs'])
  expect(ids).not.toContain(batch)
})

test('all that the others tried has changed nothing of the owner', async () => {
  const read = async (path: string) => (await ask('canary-owner', 'GET', path)).json()
  expect(await read(`/v1/jobs/${owned['jobs']}`)).toMatchObject({ state: 'waiting' })
  expect(await read(`/v1/schedules/${owned['schedules']}`)).toMatchObject({ name: 'canary', enabled: true })
  expect(await read(`/v1/webhooks/${owned['webhooks']}`)).toMatchObject({ description: 'canary', enabled: true })
  expect(await read('/v1/jobs')).toMatchObject({ items: { length: 3 } })
})
