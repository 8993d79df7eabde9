import { problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from './testing/api.js'
import { echo } from './testing/attempt.js'
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

const UNKNOWN = `j_${'a'.repeat(26)}`

test('a slash at the end changes nothing, and an id of another kind is no id', async () => {
  const id = await api.enqueue()
  expect((await api.ask(`/v1/jobs/${id}/`)).status).toBe(200)
  for (const path of [UNKNOWN, 'meta', '..%2f..', `${id}x`, '__proto__']) {
    expect((await api.ask(`/v1/jobs/${path}`)).status).toBe(404)
  }
})

test('a job is waited for from 0 to 60 seconds, and never by HEAD', async () => {
  const id = await api.enqueue()
  expect((await api.ask(`/v1/jobs/${id}/result?wait=0`)).status).toBe(202)
  expect((await api.ask(`/v1/jobs/${id}/result?wait=60`, { method: 'HEAD' })).status).toBe(202)
  for (const query of ['wait=61', 'wait=00001', 'wait=1&wait=2', 'wait=+1', 'until=1']) {
    const reply = await api.ask(`/v1/jobs/${id}/result?${query}`)
    const problem = problemSchema.parse(await reply.json())
    expect({ query, status: problem.status, path: problem.errors?.[0]?.path }).toEqual({
      query,
      status: 400,
      path: query.startsWith('wait') ? 'wait' : 'until',
    })
  }
})

test('an Idempotency-Key of 255 characters holds, and the answer to it says where the job is', async () => {
  const headers = { 'idempotency-key': '~'.repeat(255) }
  const first = await api.ask('/v1/jobs', { json: { prompt: 'p' }, headers })
  const again = await api.ask('/v1/jobs', { json: { prompt: 'p' }, headers })
  expect([first.status, again.status]).toEqual([202, 200])
  expect(again.headers.get('location')).toBe(first.headers.get('location'))
})

test('a call without a body is 400, one with another body type 415, and a batch of none or too many 400', async () => {
  expect((await api.ask('/v1/jobs', { method: 'POST' })).status).toBe(400)
  expect((await api.ask('/v1/jobs', { method: 'POST', body: 'prompt=x' })).status).toBe(415)
  for (const jobs of [[], Array.from({ length: 1_001 }, () => ({ prompt: 'p' }))]) {
    const reply = await api.ask('/v1/jobs/batch', { json: { jobs } })
    expect([reply.status, problemSchema.parse(await reply.json()).errors?.[0]?.path]).toEqual([400, 'jobs'])
  }
  const long = await api.ask('/v1/jobs/batch', {
    json: { jobs: [{ prompt: 'p' }, { prompt: 'a'.repeat(2 ** 20 + 1) }] },
  })
  expect([long.status, problemSchema.parse(await long.json()).errors?.[0]?.path]).toEqual([413, 'jobs.1.prompt'])
})

test('an ended job is cancelled with 200 and its end stays', async () => {
  await api.consume(echo)
  const id = await api.enqueue('done')
  await api.ask(`/v1/jobs/${id}/result?wait=20`)
  const reply = await api.ask(`/v1/jobs/${id}`, { method: 'DELETE' })
  expect([reply.status, ((await reply.json()) as { state: string }).state]).toEqual([200, 'completed'])
})
