import { randomBytes } from 'node:crypto'
import {
  deliveryListSchema,
  problemSchema,
  webhookPayloadSchema,
  webhookSecretSchema,
  webhookViewSchema,
  type WebhookWithSecret,
} from '@claude-fleet/core'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi, type TestApi } from '../testing/api.js'
import { echo } from '../testing/attempt.js'
import { startReceiver } from '../testing/receiver.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const KEYS = [keyEntry('acme', 'a-key'), keyEntry('other', 'o-key'), keyEntry('acme', 'r-key', 'read')].join(',')
const as = (key: string) => ({ authorization: `Bearer ${key}` })
const webhooks = { secretKeys: [randomBytes(32)], allow: ['127.0.0.1'] }
const startApi = () => startTestApi(redis.url, { keys: KEYS, settings: { webhooks } })

async function create(api: TestApi, json: object, key = 'a-key'): Promise<WebhookWithSecret> {
  const reply = await api.ask('/v1/webhooks', { json, headers: as(key) })
  expect(reply.status).toBe(201)
  const made = webhookSecretSchema.parse(await reply.json())
  expect(reply.headers.get('location')).toBe(`/v1/webhooks/${made.id}`)
  return made
}

async function deliveriesOf(api: TestApi, id: string) {
  const reply = await api.ask(`/v1/webhooks/${id}/deliveries`, { headers: as('a-key') })
  return deliveryListSchema.parse(await reply.json()).items
}

test('the end of a job is posted, signed, to the endpoint of its tenant, and the delivery is listed', async () => {
  await using receiver = await startReceiver()
  await using api = await startApi()
  const { id, secret } = await create(api, { url: receiver.url, events: ['job.completed'] })
  await create(api, { url: receiver.url.replace('/hook', '/other') }, 'o-key')
  await api.consume(echo)
  const json = { prompt: 'say hello', metadata: { ticket: 'OPS-7' } }
  const job = (await (await api.ask('/v1/jobs', { json, headers: as('a-key') })).json()) as { id: string }
  const [{ headers, body, path } = { headers: {}, body: '', path: '' }] = await receiver.requests(1)
  expect([path, headers['webhook-id' as never]]).toEqual(['/hook', `${job.id}_completed_${id}`])
  const payload = webhookPayloadSchema.parse(new Webhook(secret).verify(body, headers))
  expect(payload).toMatchObject({ type: 'job.completed', data: { id: job.id, metadata: { ticket: 'OPS-7' } } })
  expect(body).not.toContain('say hello')
  await expect
    .poll(async () => (await deliveriesOf(api, id))[0])
    .toMatchObject({ status: 'delivered', statusCode: 204 })
  expect(receiver.received).toHaveLength(1)
  const metrics = await (await api.ask('/metrics')).text()
  expect(metrics).toMatch(/claude_fleet_webhook_deliveries_total\{status="delivered"\} 1\n/)
  expect(metrics).not.toMatch(/acme|whsec|127\.0\.0\.1/)
})

test('another tenant’s endpoint does not exist, and a key that may read only changes nothing', async () => {
  await using api = await startApi()
  const { id } = await create(api, { url: 'https://example.com/' })
  const calls: [string, RequestInit & { json?: unknown }][] = [
    ['', {}],
    ['', { json: { enabled: false }, method: 'PATCH' }],
    ['/deliveries', {}],
    ['/rotate', { method: 'POST' }],
    ['/test', { method: 'POST' }],
    ['', { method: 'DELETE' }],
  ]
  for (const [path, init] of calls) {
    const foreign = await api.ask(`/v1/webhooks/${id}${path}`, { ...init, headers: as('o-key') })
    const absent = await api.ask(`/v1/webhooks/wh_${'a'.repeat(26)}${path}`, { ...init, headers: as('o-key') })
    const broken = await api.ask(`/v1/webhooks/1${path}`, { ...init, headers: as('o-key') })
    expect([foreign.status, absent.status, broken.status]).toEqual([404, 404, 404])
    const reading = await api.ask(`/v1/webhooks/${id}${path}`, { ...init, headers: as('r-key') })
    expect(reading.status).toBe(init.method === undefined ? 200 : 403)
  }
  const list = await (await api.ask('/v1/webhooks', { headers: as('o-key') })).json()
  expect(list).toEqual({ items: [] })
  const named = { prompt: 'p', webhook: id }
  expect((await api.ask('/v1/jobs', { json: named, headers: as('o-key') })).status).toBe(400)
  expect((await api.ask('/v1/jobs', { json: named, headers: as('a-key') })).status).toBe(202)
})

test('an endpoint is changed, rotated, tested and deleted', async () => {
  let status = 200
  await using receiver = await startReceiver((res) => void res.writeHead(status).end())
  await using api = await startApi()
  const { id, secret } = await create(api, { url: receiver.url, description: 'one' })
  const at = (path: string, init: RequestInit & { json?: unknown } = {}) =>
    api.ask(`/v1/webhooks/${id}${path}`, { ...init, headers: as('a-key') })
  const patched = await at('', { method: 'PATCH', json: { description: 'two', events: [] } })
  expect(webhookViewSchema.parse(await patched.json())).toMatchObject({ description: 'two', events: [], enabled: true })
  expect((await at('', { method: 'PATCH', json: {} })).status).toBe(400)

  const rotated = webhookSecretSchema.parse(await (await at('/rotate', { method: 'POST' })).json())
  expect(rotated.secret).not.toBe(secret)
  expect(rotated.previousSecretUntil).toBeGreaterThan(Date.now() + 23 * 3_600_000)
  expect((await at('/rotate?overlapMs=x', { method: 'POST' })).status).toBe(400)
  expect((await at('/test', { method: 'POST' })).status).toBe(202)
  const [first] = await receiver.requests(1)
  for (const one of [secret, rotated.secret]) {
    expect(new Webhook(one).verify(first?.body ?? '', first?.headers ?? {})).toMatchObject({ type: 'webhook.test' })
  }

  status = 410
  await at('/test', { method: 'POST' })
  await expect
    .poll(async () => (await at('')).json())
    .toMatchObject({ enabled: false, disabledReason: 'gone', failures: 1 })
  const refused = await at('/test', { method: 'POST' })
  expect([refused.status, problemSchema.parse(await refused.json()).code]).toEqual([409, 'CONFLICT'])
  expect((await at('', { method: 'DELETE' })).status).toBe(204)
  expect((await at('')).status).toBe(404)
})

test('addresses that lead inside, and what is none, are refused with their field', async () => {
  await using api = await startApi()
  const urls = [
    'http://example.com/',
    'https://10.0.0.1/',
    'https://[::1]/',
    'https://0x7f.2/',
    'https://169.254.169.254/latest/meta-data',
    'https://user:pass@example.com/',
    'https://user@example.com/',
    'https://localhost/',
    'https://example.com:22/',
    'https://example.com/#x',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    '/relative',
    ` https://example.com/`,
    `https://example.com/${'a'.repeat(2_048)}`,
    '',
    7,
    undefined,
  ]
  for (const url of urls) {
    const reply = await api.ask('/v1/webhooks', { json: { url }, headers: as('a-key') })
    const { errors } = problemSchema.parse(await reply.json())
    expect([url, reply.status, errors?.[0]?.path]).toEqual([url, 400, 'url'])
  }
  const url = 'https://example.com/'
  for (const more of [{ events: ['job.started'] }, { events: ['job.failed', 'job.failed'] }, { secret: 'whsec_x' }]) {
    expect((await api.ask('/v1/webhooks', { json: { url, ...more }, headers: as('a-key') })).status).toBe(400)
  }
})

test('without FLEET_WEBHOOK_KEY the calls say so, and jobs go on', async () => {
  await using api = await startTestApi(redis.url)
  const reply = await api.ask('/v1/webhooks', { json: { url: 'https://example.com/' } })
  const { code, detail } = problemSchema.parse(await reply.json())
  expect([reply.status, code]).toEqual([403, 'FORBIDDEN'])
  expect(detail).toContain('FLEET_WEBHOOK_KEY')
  await api.consume(echo)
  const id = await api.enqueue()
  expect((await api.ask(`/v1/jobs/${id}/result?wait=20`)).status).toBe(200)
})
