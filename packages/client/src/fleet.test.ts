import { FleetError, type StreamEvent } from '@claude-fleet/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestFleet, startTestRedis } from './testing/fleet.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const UNKNOWN_ID = `j_${'a'.repeat(26)}`

async function collect(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

/** The facts of the error that `work` ends with. */
async function errorOf(work: Promise<unknown>): Promise<{ code: string; retryable: boolean; paths: string[] }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof FleetError)) throw new Error(`not a FleetError: ${String(error)}`)
  const errors = (error.details['errors'] ?? []) as { path: string }[]
  return { code: error.code, retryable: error.retryable, paths: errors.map(({ path }) => path) }
}

/** What both transports promise, word for word. */
describe.each(['http', 'redis'] as const)('over %s', (transport) => {
  test('a job is enqueued, followed to its end, and its result read', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const job = await client.enqueue({ prompt: 'echo one two', metadata: { k: 'v' } })
    expect(await job.get()).toMatchObject({ id: job.id, state: 'waiting', metadata: { k: 'v' } })
    const following = collect(job.events())
    await fleet.work()
    const events = await following
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(events.at(-1)).toMatchObject({ type: 'completed', jobId: job.id })
    const text = events.map((event) => (event.type === 'text' ? event.text : '')).join('')
    expect(text).toBe('onetwo')
    expect(await job.result()).toMatchObject({ text: 'one two', attempt: 1, costUsd: 0.25 })
    expect(await collect(job.events())).toEqual(events)
    expect(await collect(job.events({ after: 2 }))).toEqual(events.slice(2))
    expect(await collect(job.events({ after: events.length }))).toEqual([])
    expect(await collect(client.job(job.id).events({ after: 1_000 }))).toEqual([])
  })

  test('an idempotency key gives the same job, and refuses another body', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const first = await client.enqueue({ prompt: 'p' }, { idempotencyKey: 'k' })
    expect((await client.enqueue({ prompt: 'p', priority: 0 }, { idempotencyKey: 'k' })).id).toBe(first.id)
    const other = await errorOf(client.enqueue({ prompt: 'q' }, { idempotencyKey: 'k' }))
    expect(other).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', retryable: false })
  })

  test('a batch with an idempotency key is made once', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const items = [{ prompt: 'a', customId: 'A' }, { prompt: 'b' }]
    const first = await client.batch(items, { idempotencyKey: 'k' })
    expect(await client.batch(items, { idempotencyKey: 'k' })).toEqual(first)
    const other = await errorOf(client.batch(items.slice(1), { idempotencyKey: 'k' }))
    expect(other).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', retryable: false })
    expect((await errorOf(client.batch(items, { idempotencyKey: '\n' }))).paths).toEqual(['Idempotency-Key'])
    expect((await client.jobs({ batch: first.id })).items).toHaveLength(2)
  })

  test('bad input is refused before it is sent, and every field named', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const bad = { prompt: ' ', cwd: '/etc', args: [] } as never
    expect(await errorOf(client.enqueue(bad))).toEqual({
      code: 'INVALID_REQUEST',
      retryable: false,
      paths: ['prompt', 'cwd', 'args'],
    })
    const hostile = JSON.parse('{"prompt":"p","metadata":{"__proto__":"x"}}') as never
    expect((await errorOf(client.enqueue(hostile))).paths).toEqual(['metadata.__proto__'])
    expect(await errorOf(client.enqueue({ prompt: 'a'.repeat(1_048_577) }))).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      paths: ['prompt'],
    })
    expect((await errorOf(client.enqueue({ prompt: 'p' }, { idempotencyKey: '' }))).paths).toEqual(['Idempotency-Key'])
    expect((await errorOf(client.batch([{ prompt: 'p' }, { prompt: 'p', attempts: 0 }]))).paths).toEqual([
      'jobs.1.attempts',
    ])
    expect((await errorOf(client.batch(5 as never))).paths).toEqual(['jobs'])
    expect((await errorOf(client.jobs({ limit: 0 }))).paths).toEqual(['limit'])
    expect(await client.jobs()).toEqual({ items: [] })
  })

  test('a failed job throws its code, and a cancelled one CANCELLED', async () => {
    await using fleet = await openTestFleet(redis.url)
    await fleet.work()
    const client = await fleet.connect(transport)
    const failed = await client.enqueue({ prompt: 'fail' })
    const facts = { code: 'REFUSED', retryable: false, jobId: failed.id, attempt: 1, details: { why: 'test' } }
    await expect(failed.result()).rejects.toMatchObject(facts)

    const hanging = await client.enqueue({ prompt: 'hang' })
    for await (const event of hanging.events()) if (event.type === 'started') break
    expect(await errorOf(hanging.retry())).toMatchObject({ code: 'CONFLICT' })
    expect(await hanging.cancel()).toBe('cancelling')
    await expect(hanging.result()).rejects.toMatchObject({ code: 'CANCELLED', jobId: hanging.id })
    expect(await hanging.cancel()).toBe('ended')
    const again = await hanging.retry()
    expect(await again.get()).toMatchObject({ retryOf: hanging.id })
  })

  test('a batch keeps its order and is listed by its id', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const batch = await client.batch([{ prompt: 'a', customId: 'A' }, { prompt: 'b' }])
    expect(batch.items.map(({ customId }) => customId)).toEqual(['A', undefined])
    const { items, nextCursor } = await client.jobs({ batch: batch.id, limit: 1 })
    const rest = await client.jobs({ batch: batch.id, cursor: nextCursor })
    const ids = [...items, ...rest.items].map(({ id }) => id)
    expect(ids.sort()).toEqual(batch.items.map(({ id }) => id).sort())
  })

  test('a job that is not there is NOT_FOUND, whatever is asked of it', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    for (const id of [UNKNOWN_ID, '../stats', '']) {
      const job = client.job(id)
      const calls = [job.get(), job.result(), job.cancel(), job.retry(), collect(job.events())]
      for (const { code } of await Promise.all(calls.map(errorOf))) expect(code).toBe('NOT_FOUND')
    }
  })

  test('an aborted wait rejects with its reason and cancels nothing; aborted events end', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const job = await client.enqueue({ prompt: 'echo x' })
    const reason = new Error('no more time')
    const leave = new AbortController()
    const waiting = job.result({ signal: leave.signal }).catch((error: unknown) => error)
    for await (const event of job.events({ signal: leave.signal })) {
      expect(event.type).toBe('queued')
      leave.abort(reason)
    }
    expect(await waiting).toBe(reason)
    await expect(client.enqueue({ prompt: 'p' }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect((await client.jobs()).items.map(({ state }) => state)).toEqual(['waiting'])
  })

  test('close ends what is in progress, and the client refuses more', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const job = await client.enqueue({ prompt: 'echo x' })
    const waiting = errorOf(job.result())
    for await (const _ of job.events()) {
      await client.close()
      await client.close()
    }
    expect(await waiting).toMatchObject({ code: 'UNAVAILABLE', retryable: false })
    expect(await errorOf(job.get())).toMatchObject({ code: 'UNAVAILABLE', retryable: false })
  })

  test('events and result outlive a restart of the API', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const job = await client.enqueue({ prompt: 'echo one two three' })
    const result = job.result()
    const seen: StreamEvent[] = []
    for await (const event of job.events()) {
      seen.push(event)
      if (event.seq === 1) await fleet.restartApi(() => fleet.work())
    }
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1))
    expect(seen.at(-1)?.type).toBe('completed')
    expect((await result).text).toBe('one two three')
  })

  test('many streams of one client end together, and none is taken for a leak', async () => {
    const warnings: string[] = []
    const listen = (warning: Error) => warnings.push(warning.name)
    process.on('warning', listen)
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const batch = await client.batch(Array.from({ length: 30 }, (_, index) => ({ prompt: `echo ${index}` })))
    const streams = batch.items.map(({ id }) => collect(client.job(id).events()))
    const results = batch.items.map(({ id }) => client.job(id).result())
    await fleet.work()
    const texts = (await Promise.all(results)).map(({ text }) => text)
    expect(texts).toEqual(texts.map((_, index) => String(index)))
    for (const events of await Promise.all(streams)) expect(events.at(-1)?.type).toBe('completed')
    process.off('warning', listen)
    expect(warnings).toEqual([])
  })

  test('a fleet that is not there is UNAVAILABLE', async () => {
    await using fleet = await openTestFleet(redis.url)
    const away = transport === 'http' ? { url: 'http://127.0.0.1:1' } : { redis: 'redis://127.0.0.1:1' }
    const options = { reconnectMs: 200, ...away }
    const asking = fleet.connect(transport, options).then((client) => client.job(UNKNOWN_ID).result())
    expect(await errorOf(asking)).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  })
})

test("operators' calls go over HTTP", async () => {
  await using fleet = await openTestFleet(redis.url)
  const client = await fleet.connect('http')
  await (await client.enqueue({ prompt: 'echo x' })).get()
  expect(await client.workers()).toEqual([])
  expect(await client.stats()).toMatchObject({ jobs: { waiting: 1, active: 0 } })
  for (const id of ['nobody', '../jobs', '']) expect((await errorOf(client.drainWorker(id))).code).toBe('NOT_FOUND')
})

test("over Redis operators' calls are FORBIDDEN, and say where they go", async () => {
  await using fleet = await openTestFleet(redis.url)
  const client = await fleet.connect('redis')
  const calls = [client.workers(), client.stats(), client.drainWorker('w1')]
  for (const error of await Promise.all(calls.map(errorOf)))
    expect(error).toMatchObject({ code: 'FORBIDDEN', retryable: false })
})
