import { batchReplySchema, jobPageSchema, jobViewSchema, problemSchema, statsSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi } from '../testing/api.js'
import { echo, hang } from '../testing/attempt.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

test('a job is taken with 202 and a Location, run, and its result waited for', async () => {
  await using api = await startTestApi(redis.url)
  const taken = await api.ask('/v1/jobs', { json: { prompt: 'one two', metadata: { k: 'v' } } })
  expect(taken.status).toBe(202)
  const job = jobViewSchema.parse(await taken.json())
  expect(taken.headers.get('location')).toBe(`/v1/jobs/${job.id}`)
  expect(job).toMatchObject({ state: 'waiting', attempt: 0, metadata: { k: 'v' } })

  const early = await api.ask(`/v1/jobs/${job.id}/result`)
  expect([early.status, await early.json()]).toEqual([202, { id: job.id, state: 'waiting' }])
  const waiting = api.ask(`/v1/jobs/${job.id}/result?wait=20`)
  await api.consume(echo)
  const ended = await waiting
  expect(ended.status).toBe(200)
  expect(jobViewSchema.parse(await ended.json())).toMatchObject({
    state: 'completed',
    result: { text: 'one two' },
    costUsd: 0.25,
  })
  for (const wait of ['61', '-1', '1.5', 'x', '']) {
    expect((await api.ask(`/v1/jobs/${job.id}/result?wait=${wait}`)).status).toBe(400)
  }
  const stats = statsSchema.parse(await (await api.ask('/v1/stats')).json())
  expect(stats.jobs.completed).toBe(1)
})

test('twenty racers with one Idempotency-Key make one job: one 202, the others 200 with its id', async () => {
  await using api = await startTestApi(redis.url)
  const post = (key: string, json: object) => api.ask('/v1/jobs', { json, headers: { 'idempotency-key': key } })
  const replies = await Promise.all(Array.from({ length: 20 }, () => post('key 1', { prompt: 'p', attempts: 2 })))
  const ids = await Promise.all(replies.map(async (reply) => ((await reply.json()) as { id: string }).id))
  expect(new Set(ids).size).toBe(1)
  expect(replies.map((reply) => reply.status).sort((a, b) => a - b)).toEqual([...Array<number>(19).fill(200), 202])

  const reordered = await post('key 1', { attempts: 2, prompt: 'p', priority: 0 })
  expect(reordered.status).toBe(200)
  const other = await post('key 1', { prompt: 'q' })
  expect([other.status, problemSchema.parse(await other.json()).code]).toEqual([422, 'IDEMPOTENCY_MISMATCH'])
  for (const key of ['', 'a'.repeat(256), 'tab\there']) {
    const bad = await post(key, { prompt: 'p' })
    expect([bad.status, problemSchema.parse(await bad.json()).errors?.[0]?.path]).toEqual([400, 'Idempotency-Key'])
  }
})

test('a batch with an idempotency key is made once, and another body refused', async () => {
  await using api = await startTestApi(redis.url)
  const post = (key: string, jobs: object[]) =>
    api.ask('/v1/jobs/batch', { json: { jobs }, headers: { 'idempotency-key': key } })
  const jobs = [{ prompt: 'a', customId: 'A' }, { prompt: 'b' }]
  const replies = await Promise.all([post('k', jobs), post('k', jobs), post('k', jobs)])
  expect(replies.map((reply) => reply.status).sort((a, b) => a - b)).toEqual([200, 200, 202])
  const made = await Promise.all(replies.map(async (reply) => batchReplySchema.parse(await reply.json())))
  expect(made[1]).toEqual(made[0])
  expect(made[2]).toEqual(made[0])
  expect(
    (
      await post('k', [
        { attempts: 3, customId: 'A', prompt: 'a' },
        { prompt: 'b', delayMs: 0 },
      ])
    ).status,
  ).toBe(200)
  for (const others of [[{ prompt: 'a' }, { prompt: 'b' }], jobs.toReversed(), [{ prompt: 'a', customId: 'A' }]]) {
    const other = await post('k', others)
    expect([other.status, problemSchema.parse(await other.json()).code]).toEqual([422, 'IDEMPOTENCY_MISMATCH'])
  }
  expect((await api.ask('/v1/jobs', { json: { prompt: 'a' }, headers: { 'idempotency-key': 'k' } })).status).toBe(422)
  expect((await post('', jobs)).status).toBe(400)
  expect(jobPageSchema.parse(await (await api.ask('/v1/jobs')).json()).items).toHaveLength(2)
})

test('a batch keeps the order of its jobs, and lists page through it, newest first', async () => {
  await using api = await startTestApi(redis.url)
  const jobs = Array.from({ length: 25 }, (_, index) => ({ prompt: `p${index}`, customId: `c${index}` }))
  const reply = await api.ask('/v1/jobs/batch', { json: { jobs } })
  expect(reply.status).toBe(202)
  const { id, items } = batchReplySchema.parse(await reply.json())
  expect(items.map((item) => item.customId)).toEqual(jobs.map((job) => job.customId))
  await api.enqueue('not of the batch')

  const seen: string[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ batch: id, limit: '10', ...(cursor === undefined ? {} : { cursor }) })
    const page = jobPageSchema.parse(await (await api.ask(`/v1/jobs?${query.toString()}`)).json())
    seen.push(...page.items.map((job) => job.id))
    cursor = page.nextCursor
  } while (cursor !== undefined)
  expect([...seen].sort()).toEqual(items.map((item) => item.id).sort())
  const cancelled = jobPageSchema.parse(await (await api.ask('/v1/jobs?state=cancelled')).json())
  expect(cancelled.items).toEqual([])
})

test('a running job is cancelled with 202, then 200; only then may it be retried', async () => {
  await using api = await startTestApi(redis.url)
  await api.consume(hang)
  const id = await api.enqueue()
  const early = await api.ask(`/v1/jobs/${id}/retry`, { method: 'POST' })
  expect([early.status, problemSchema.parse(await early.json()).code]).toEqual([409, 'CONFLICT'])

  expect((await api.ask(`/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(202)
  const ended = await api.ask(`/v1/jobs/${id}/result?wait=20`)
  expect(jobViewSchema.parse(await ended.json()).state).toBe('cancelled')
  expect((await api.ask(`/v1/jobs/${id}`, { method: 'DELETE' })).status).toBe(200)

  const retried = await api.ask(`/v1/jobs/${id}/retry`, { method: 'POST' })
  const job = jobViewSchema.parse(await retried.json())
  expect([retried.status, job.retryOf]).toEqual([202, id])
  expect(retried.headers.get('location')).toBe(`/v1/jobs/${job.id}`)
})

test('workers are listed, and draining one that is not there is 404', async () => {
  await using api = await startTestApi(redis.url)
  expect(await (await api.ask('/v1/workers')).json()).toEqual({ items: [] })
  const reply = await api.ask('/v1/workers/nobody/drain', { method: 'POST' })
  expect([reply.status, problemSchema.parse(await reply.json()).code]).toEqual([404, 'NOT_FOUND'])
})

test('metrics count jobs by state and requests by route, and name no tenant and no id', async () => {
  await using api = await startTestApi(redis.url)
  const id = await api.enqueue()
  await api.ask(`/v1/jobs/${id}`)
  const text = await (await api.ask('/metrics')).text()
  expect(text).toMatch(/^claude_fleet_jobs\{state="waiting"\} 1$/m)
  expect(text).toMatch(/^claude_fleet_redis_up 1$/m)
  expect(text).toContain('route="/v1/jobs/:id"')
  expect(text).not.toContain(id)
  expect(text).not.toContain('tenant')
})
