import { request } from 'node:http'
import { Writable } from 'node:stream'
import { problemSchema } from '@claude-fleet/core'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi } from '../testing/api.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const KEYS = [
  keyEntry('acme', 'acme-key'),
  keyEntry('acme', 'acme-reader', 'read'),
  keyEntry('acme', 'acme-admin', 'admin'),
  keyEntry('other', 'other-key', 'enqueue+read+admin'),
].join(',')
const UNKNOWN_ID = `j_${'a'.repeat(26)}`

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

test('without a known key every route under /v1 is 401, and probes are not', async () => {
  await using api = await startTestApi(redis.url, { keys: KEYS })
  const presented: Record<string, string>[] = [
    {},
    { authorization: 'Bearer' },
    { authorization: 'Bearer wrong' },
    { authorization: 'Bearer acme-ke' },
    { authorization: `Basic ${btoa('acme-key:')}` },
    { 'x-api-key': '' },
    { 'x-api-key': 'a'.repeat(4_000) },
  ]
  for (const headers of presented) {
    for (const path of ['/v1/jobs', `/v1/jobs/${UNKNOWN_ID}/events`, '/v1/stats', '/v1/nothing']) {
      const reply = await api.ask(path, { headers })
      expect(reply.status).toBe(401)
      expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer/)
      expect(problemSchema.parse(await reply.json()).code).toBe('UNAUTHENTICATED')
    }
  }
  for (const path of ['/healthz', '/readyz', '/metrics']) expect((await api.ask(path)).status).toBe(200)
})

test('a key does what its scopes say, and no more', async () => {
  await using api = await startTestApi(redis.url, { keys: KEYS })
  const id = (
    (await (await api.ask('/v1/jobs', { json: { prompt: 'p' }, headers: bearer('acme-key') })).json()) as { id: string }
  ).id
  const calls: [method: string, path: string, scope: string][] = [
    ['POST', '/v1/jobs', 'enqueue'],
    ['POST', '/v1/jobs/batch', 'enqueue'],
    ['POST', `/v1/jobs/${id}/retry`, 'enqueue'],
    ['DELETE', `/v1/jobs/${UNKNOWN_ID}`, 'enqueue'],
    ['GET', '/v1/jobs', 'read'],
    ['GET', `/v1/jobs/${id}`, 'read'],
    ['GET', `/v1/jobs/${id}/result`, 'read'],
    ['HEAD', `/v1/jobs/${id}/events`, 'read'],
    ['GET', '/v1/stats', 'read'],
    ['GET', '/v1/workers', 'admin'],
    ['POST', '/v1/workers/w1/drain', 'admin'],
  ]
  const granted: Record<string, string[]> = {
    'acme-key': ['enqueue', 'read'],
    'acme-reader': ['read'],
    'acme-admin': ['admin'],
  }
  for (const [key, scopes] of Object.entries(granted)) {
    for (const [method, path, scope] of calls) {
      const reply = await api.ask(path, { method, headers: bearer(key) })
      const refused = reply.status === 403
      expect({ key, method, path, refused }).toEqual({ key, method, path, refused: !scopes.includes(scope) })
      await reply.body?.cancel()
    }
  }
  expect((await api.ask('/v1/jobs', { headers: { 'x-api-key': 'acme-reader' } })).status).toBe(200)
})

test('the job of another tenant is answered exactly as one that never was', async () => {
  await using api = await startTestApi(redis.url, { keys: KEYS })
  const headers = bearer('acme-key')
  const { id } = (await (await api.ask('/v1/jobs', { json: { prompt: 'p' }, headers })).json()) as { id: string }
  const answer = async (method: string, path: string) => {
    const reply = await api.ask(path, { method, headers: { ...bearer('other-key'), 'x-request-id': 'same' } })
    return { status: reply.status, body: await reply.text() }
  }
  for (const [method, suffix] of [
    ['GET', ''],
    ['GET', '/events'],
    ['GET', '/result'],
    ['DELETE', ''],
    ['POST', '/retry'],
  ] as const) {
    const foreign = await answer(method, `/v1/jobs/${id}${suffix}`)
    expect(foreign.status).toBe(404)
    expect(foreign).toEqual(await answer(method, `/v1/jobs/${UNKNOWN_ID}${suffix}`))
  }
  expect(JSON.parse((await answer('GET', '/v1/jobs')).body)).toEqual({ items: [] })
  const own = (await (await api.ask(`/v1/jobs/${id}`, { headers })).json()) as { state: string }
  expect(own.state).toBe('waiting')
})

test('without keys only a local Host and no foreign Origin are served', async () => {
  await using api = await startTestApi(redis.url)
  const { port } = api.service
  const ask = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const req = request({ port, host: '127.0.0.1', path: '/v1/jobs', headers, agent: false }, (res) => {
        res.resume()
        resolve(res.statusCode)
      })
      req.on('error', reject).end()
    })
  const local = `127.0.0.1:${port}`
  for (const host of [local, `localhost:${port}`, '[::1]:80', '127.8.8.8']) expect(await ask({ host })).toBe(200)
  for (const host of ['evil.test', `evil.test:${port}`, '127.0.0.1.evil.test', '10.0.0.1', 'localhost.', '0.0.0.0']) {
    expect(await ask({ host })).toBe(403)
  }
  expect(await ask({ host: local, origin: `http://${local}` })).toBe(200)
  for (const origin of ['https://evil.test', 'null', 'http://127.0.0.1:1', '']) {
    expect(await ask({ host: local, origin })).toBe(403)
  }
})

test('keys, cookies and prompts are in no log line', async () => {
  const lines: string[] = []
  const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(chunk.toString()), done()) })
  await using api = await startTestApi(redis.url, { keys: KEYS, log: pino({ level: 'trace' }, sink) })
  const headers = { ...bearer('acme-key'), cookie: 'canary-cookie=1', 'x-api-key': 'canary-header' }
  await api.ask('/v1/jobs?session=canary-query', { headers })
  await api.ask('/v1/jobs', { json: { prompt: 'canary-prompt' }, headers })
  await api.ask('/v1/jobs', { json: { prompt: 'canary-prompt', metadata: 5 }, headers })
  await api.ask('/v1/jobs', {
    method: 'POST',
    body: '{canary-prompt',
    headers: { ...headers, 'content-type': 'application/json' },
  })
  await api.service.stop()
  expect(lines.length).toBeGreaterThanOrEqual(4)
  expect(lines.join('')).not.toMatch(/canary|acme-key/)
})
