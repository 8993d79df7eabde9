import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OPERATIONS } from './routes/service.js'
import { startTestApi, type TestApi } from './testing/api.js'
import { startTestRedis } from './testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let api: TestApi
beforeAll(async () => {
  redis = await startTestRedis()
  const webhooks = { secretKeys: [randomBytes(32)], allow: [] }
  api = await startTestApi(redis.url, { settings: { webhooks } })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await redis.stop()
})

/** Sends one command to Redis as an administrator. */
async function administer(...words: string[]): Promise<void> {
  const { hostname, port, password } = new URL(redis.url)
  const socket = connect(Number(port), hostname)
  socket.resume()
  if (password !== '') socket.write(`AUTH ${decodeURIComponent(password)}\r\n`)
  socket.end(`${words.join(' ')}\r\nQUIT\r\n`)
  await new Promise((resolve) => socket.once('close', resolve))
}

/** What a caller would send for an operation: its first example, and ids that nothing has. */
function callOf(id: string): { path: string; method: string; json: unknown } {
  const { path, method, body } = OPERATIONS[id] ?? expect.fail()
  const ids: Record<string, string> = { jobs: 'j_', schedules: 'c_', sessions: 's_', webhooks: 'wh_' }
  const kind = path.split('/')[2] ?? ''
  const named = path.replace(':id', `${ids[kind] ?? 'w'}${'a'.repeat(26)}`)
  return {
    path: named.replace(':name', 'default'),
    method: method.toUpperCase(),
    json: body && Object.values(body.examples)[0],
  }
}

test('while Redis stands still every call is answered in its own time: 503, and when to come again', async () => {
  const operations = Object.entries(OPERATIONS).filter(([, { path }]) => path.startsWith('/v1/') || path === '/readyz')
  process.kill(redis.pid, 'SIGSTOP')
  const startedAt = performance.now()
  const answers = await Promise.all(
    operations.map(async ([id]) => {
      const { path, method, json } = callOf(id)
      const reply = await api.ask(path, { method, ...(json === undefined ? {} : { json }) })
      const { code } = problemSchema.parse(await reply.json())
      return `${id} ${reply.status} ${code} ${reply.headers.get('retry-after')}`
    }),
  ).finally(() => process.kill(redis.pid, 'SIGCONT'))
  expect(answers).toEqual(operations.map(([id]) => `${id} 503 UNAVAILABLE 2`))
  expect(performance.now() - startedAt).toBeLessThan(15_000)
}, 40_000)

test('a Redis without memory is told to who wants to enqueue, and keeps nobody from reading', async () => {
  const id = await api.enqueue()
  await administer('CONFIG SET maxmemory 1')
  const reply = await api.ask('/v1/jobs', { json: { prompt: 'one more' } })
  expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '2'])
  expect(await reply.json()).toMatchObject({
    code: 'UNAVAILABLE',
    retryable: true,
    detail: expect.stringMatching(/^Redis is out of memory/),
  })
  expect((await api.ask(`/v1/jobs/${id}`)).status).toBe(200)
  expect((await api.ask('/readyz')).status).toBe(200)
  await administer('CONFIG SET maxmemory 0')
  expect((await api.ask('/v1/jobs', { json: { prompt: 'one more' } })).status).toBe(202)
})

test('a policy that was changed to one that may evict jobs turns readiness red, until it is mended', async () => {
  await administer('CONFIG SET maxmemory-policy allkeys-lru')
  const reply = await api.ask('/readyz')
  expect(reply.status).toBe(503)
  expect(await reply.json()).toMatchObject({ detail: expect.stringMatching(/maxmemory-policy is allkeys-lru/) })
  await administer('CONFIG SET maxmemory-policy noeviction')
  expect((await api.ask('/readyz')).status).toBe(200)
})
