import { once } from 'node:events'
import { connect } from 'node:net'
import { problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi, type TestApi } from './testing/api.js'
import { startTestRedis } from './testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let api: TestApi
beforeAll(async () => {
  redis = await startTestRedis()
  api = await startTestApi(redis.url)
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await redis.stop()
})

/** What comes back for raw bytes, until the server ends the connection. */
async function exchange(bytes: string): Promise<{ status: number; head: string; body: string }> {
  const socket = connect(api.service.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await once(socket, 'close')
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
  return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), body }
}

test.each([
  ['no HTTP at all', 'hello\r\n\r\n', 400],
  [
    'two lengths',
    'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['headers of 20 KB', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ['CONNECT', 'CONNECT evil.test:443 HTTP/1.1\r\nHost: localhost\r\n\r\n', 405],
  ['an unknown Expect', 'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n{}', 417],
  ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  ['a path that cannot be decoded', 'GET /v1/jobs/%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
])('%s is answered with a problem document', async (_name, bytes, status) => {
  const reply = await exchange(bytes)
  expect(reply.status).toBe(status)
  expect(reply.head).toContain('content-type: application/problem+json; charset=utf-8')
  const problem = problemSchema.parse(JSON.parse(reply.body))
  expect(problem.status).toBe(status)
  expect(reply.head).toContain(`request-id: ${problem.requestId}`)
})

test('headers of every reply, good or bad', async () => {
  for (const path of ['/v1/jobs', '/v1/none', '/healthz']) {
    const { headers } = await api.ask(path)
    expect(headers.get('request-id')).toMatch(/^req_[0-9a-f-]{36}$/)
    const fixed = [...headers].filter(
      ([name]) => !['request-id', 'date', 'content-length', 'content-type'].includes(name),
    )
    expect(Object.fromEntries(fixed)).toMatchInlineSnapshot(`
      {
        "cache-control": "no-store",
        "connection": "keep-alive",
        "content-security-policy": "default-src 'none';frame-ancestors 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "keep-alive": "timeout=75",
        "origin-agent-cluster": "?1",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=31536000; includeSubDomains",
        "x-content-type-options": "nosniff",
        "x-dns-prefetch-control": "off",
        "x-download-options": "noopen",
        "x-frame-options": "SAMEORIGIN",
        "x-permitted-cross-domain-policies": "none",
        "x-xss-protection": "0",
      }
    `)
  }
})

test('a sane x-request-id is taken over, another is not', async () => {
  const ask = async (id: string) =>
    (await api.ask('/healthz', { headers: { 'x-request-id': id } })).headers.get('request-id')
  expect(await ask('trace-1.a:b')).toBe('trace-1.a:b')
  for (const id of ['a b', '<script>', 'a'.repeat(129)]) expect(await ask(id)).toMatch(/^req_/)
})

test('unknown routes are 404, other methods 405 with Allow, OPTIONS names them, HEAD has no body', async () => {
  const missing = await api.ask('/v2/jobs')
  expect([missing.status, problemSchema.parse(await missing.json()).code]).toEqual([404, 'NOT_FOUND'])
  const put = await api.ask('/v1/jobs', { method: 'PUT' })
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS'])
  expect(problemSchema.parse(await put.json()).code).toBe('METHOD_NOT_ALLOWED')
  const options = await api.ask('/v1/jobs/batch', { method: 'OPTIONS' })
  expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS'])
  expect(options.headers.get('access-control-allow-origin')).toBeNull()
  const head = await api.ask('/v1/jobs', { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
  const id = await api.enqueue()
  const stream = await api.ask(`/v1/jobs/${id}/events`, { method: 'HEAD' })
  expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
})

test('Redis away: 503 with Retry-After, readyz red, healthz green, metrics still there', async () => {
  const own = await startTestRedis()
  await using lonely = await startTestApi(own.url, { keys: keyEntry('acme', 'key') })
  await own.stop()
  for (const path of ['/v1/jobs', '/readyz']) {
    const reply = await lonely.ask(path, { headers: { authorization: 'Bearer key' } })
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '2'])
    const problem = problemSchema.parse(await reply.json())
    expect(problem).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(problem.detail).not.toMatch(/127\.0\.0\.1|ECONN/)
  }
  expect((await lonely.ask('/healthz')).status).toBe(200)
  expect(await (await lonely.ask('/metrics')).text()).toMatch(/^claude_fleet_redis_up 0$/m)
})
