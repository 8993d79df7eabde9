import { createHash } from 'node:crypto'
import { jobListQuerySchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { collect, openFleet, specOf, TENANT, typesOf, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
})
afterAll(async () => {
  await fleet.close()
  await server.stop()
})

test('twenty racers with one idempotency key make one job', async () => {
  const spec = specOf({ prompt: 'race' })
  const calls = Array.from({ length: 20 }, () =>
    fleet.producer.enqueue({ tenant: TENANT, spec, idempotencyKey: 'race' }),
  )
  const replies = await Promise.all(calls)
  expect(new Set(replies.map(({ job }) => job.id)).size).toBe(1)
  expect(replies.filter(({ created }) => created)).toHaveLength(1)
  expect(await fleet.client.zcard(fleet.keys.jobs(TENANT))).toBe(1)
  expect(await fleet.client.llen(fleet.keys.bull('wait'))).toBe(1)
})

test('an idempotency key with another body is refused, and is another key for another tenant', async () => {
  const first = await fleet.producer.enqueue({ tenant: TENANT, spec: specOf({ prompt: 'a' }), idempotencyKey: 'k' })
  const other = fleet.producer.enqueue({ tenant: TENANT, spec: specOf({ prompt: 'b' }), idempotencyKey: 'k' })
  await expect(other).rejects.toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', jobId: first.job.id })
  const foreign = await fleet.producer.enqueue({ tenant: 'other', spec: specOf({ prompt: 'b' }), idempotencyKey: 'k' })
  expect(foreign.created).toBe(true)
})

test('a repeated call places the job that a producer recorded and did not live to place', async () => {
  const spec = specOf({ prompt: 'half' })
  const { job } = await fleet.producer.enqueue({ tenant: TENANT, spec, idempotencyKey: 'half' })
  // As a crash leaves it: the record is there, the queue has nothing.
  await fleet.client.multi().del(fleet.keys.bullJob(job.id)).lrem(fleet.keys.bull('wait'), 0, job.id).exec()
  await fleet.client.zadd(fleet.keys.unplaced, Date.now(), job.id)
  const again = await fleet.producer.enqueue({ tenant: TENANT, spec, idempotencyKey: 'half' })
  expect(again).toMatchObject({ created: false, job: { id: job.id } })
  expect(await fleet.client.lrange(fleet.keys.bull('wait'), 0, -1)).toContain(job.id)
})

test('a job of another tenant does not exist', async () => {
  const job = await fleet.enqueue()
  expect(await fleet.producer.get('other', job.id)).toBeUndefined()
  expect(await fleet.producer.cancel('other', job.id, 'no')).toBeUndefined()
  expect(await fleet.producer.retry('other', job.id)).toBeUndefined()
  const signal = new AbortController().signal
  await expect(collect(fleet.reader.events('other', job.id, { after: 0, signal }))).rejects.toMatchObject({
    code: 'NOT_FOUND',
  })
  expect(await fleet.reader.waitForEnd('other', job.id, { waitMs: 0, signal })).toBeUndefined()
  expect((await fleet.producer.get(TENANT, job.id))?.state).toBe('waiting')
})

test('a waiting job that is cancelled ends at once, leaves the queue, and can be retried from its kept prompt', async () => {
  const job = await fleet.enqueue({ prompt: 'kept', metadata: { a: 'b' } })
  expect(await fleet.producer.cancel(TENANT, job.id, 'changed my mind')).toBe('cancelling')
  expect(await fleet.producer.cancel(TENANT, job.id, 'again')).toBe('ended')
  expect(await fleet.client.exists(fleet.keys.bullJob(job.id))).toBe(0)
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'cancelled'])
  const retried = await fleet.producer.retry(TENANT, job.id)
  expect(retried).toMatchObject({ retryOf: job.id, state: 'waiting', metadata: { a: 'b' } })
  const data = await fleet.client.hget(fleet.keys.bullJob(retried?.id ?? ''), 'data')
  expect(JSON.parse(data ?? '')).toMatchObject({ v: 2, tenant: TENANT, spec: { prompt: 'kept' } })
})

test('a job that has not ended cannot be retried', async () => {
  const job = await fleet.enqueue({ delayMs: 60_000 })
  expect(job.state).toBe('delayed')
  await expect(fleet.producer.retry(TENANT, job.id)).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('racers with the key of one batch make each job once, and a repeat makes what a crash left out', async () => {
  const items = Array.from({ length: 40 }, (_, at) => ({ spec: specOf({ prompt: `b${at}` }), customId: `c${at}` }))
  const { client, keys, producer } = fleet
  const send = (request = { tenant: TENANT, items, idempotencyKey: 'batch' }) => producer.enqueueBatch(request)
  // Wide enough that none is held for the sake of another tenant.
  await client.set(`${fleet.prefix}:window`, 1_000)
  const waiting = await client.llen(keys.bull('wait'))
  const replies = await Promise.all([send(), send(), send(), send(), send()])
  const [first] = replies
  expect(replies.filter(({ created }) => created)).toHaveLength(1)
  for (const { id, items: made } of replies) expect({ id, made }).toEqual({ id: first.id, made: first.items })
  expect(first.items.map(({ customId }) => customId)).toEqual(items.map(({ customId }) => customId))
  expect(await client.zcard(keys.batch(TENANT, first.id))).toBe(40)
  expect(await client.llen(keys.bull('wait'))).toBe(waiting + 40)

  // As a crash leaves it: some were recorded and never placed, others never recorded.
  const ids = first.items.map(({ id }) => id)
  for (const id of ids.slice(10, 20)) {
    await client.multi().del(keys.bullJob(id)).lrem(keys.bull('wait'), 0, id).exec()
    await client.zadd(keys.unplaced, Date.now(), id)
  }
  for (const id of ids.slice(20)) {
    const own = createHash('sha256')
      .update(`${first.id}\0${ids.indexOf(id)}`)
      .digest('hex')
    await client.multi().del(keys.bullJob(id), keys.job(id)).lrem(keys.bull('wait'), 0, id).exec()
    await client.multi().del(keys.idempotency(TENANT, own)).zrem(keys.batch(TENANT, first.id), id).exec()
  }
  const again = await send()
  expect(again).toMatchObject({ created: false, id: first.id })
  expect(again.items.slice(0, 20)).toEqual(first.items.slice(0, 20))
  expect(await client.zcard(keys.batch(TENANT, first.id))).toBe(40)
  expect(await client.llen(keys.bull('wait'))).toBe(waiting + 40)

  // A job that has ended is not made again, not even when nothing is known of it any more.
  await producer.cancel(TENANT, ids[0] ?? '', 'no')
  await client.del(keys.job(ids[0] ?? ''))
  expect((await send()).items[0]).toEqual(first.items[0])
  expect(await client.llen(keys.bull('wait'))).toBe(waiting + 39)

  const other = send({ tenant: TENANT, items: items.slice(1), idempotencyKey: 'batch' })
  await expect(other).rejects.toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', retryable: false })
  expect(await send({ tenant: 'other', items: items.slice(1), idempotencyKey: 'batch' })).toMatchObject({
    created: true,
  })
})

test('pages of a batch made in one moment hold every job once', async () => {
  const items = Array.from({ length: 250 }, (_, at) => ({ spec: specOf(), customId: `c${at}` }))
  const batch = await fleet.producer.enqueueBatch({ tenant: TENANT, items })
  expect(batch.items.map(({ customId }) => customId)).toEqual(items.map(({ customId }) => customId))
  await fleet.producer.cancel(TENANT, batch.items[7]?.id ?? '', 'one less')
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const query = jobListQuerySchema.parse({ batch: batch.id, state: 'waiting', limit: 60, cursor })
    const page = await fleet.producer.list(TENANT, query)
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor
  } while (cursor !== undefined)
  expect(seen).toHaveLength(249)
  expect(new Set(seen).size).toBe(249)
  expect((await fleet.producer.list('other', jobListQuerySchema.parse({ batch: batch.id }))).items).toEqual([])
})

test('a record that somebody else has broken is told of where it is asked for, and hides no other from the list', async () => {
  const [broken, whole] = [await fleet.enqueue({ metadata: { of: 'broken' } }), await fleet.enqueue()]
  await fleet.client.hset(fleet.keys.job(broken.id), 'createdAt', 'once')
  await expect(fleet.producer.get(TENANT, broken.id)).rejects.toMatchObject({ code: 'INTERNAL' })
  const { items } = await fleet.producer.list(TENANT, jobListQuerySchema.parse({}))
  expect(items.map(({ id }) => id)).toContain(whole.id)
  expect(items.map(({ id }) => id)).not.toContain(broken.id)
})
