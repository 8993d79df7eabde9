import { fleetEventSchema, type FleetEvent } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../testing/api.js'
import { completed, echo, hang } from '../testing/attempt.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

/** Events of a whole stream, after checking that its lines are what SSE and the contract ask. */
function parseStream(text: string): FleetEvent[] {
  const blocks = text.split('\n\n').filter((block) => block !== '' && !block.startsWith(':'))
  return blocks.map((block) => {
    const [id, type, data, ...rest] = block.split('\n')
    const event = fleetEventSchema.parse(JSON.parse(data?.replace(/^data: /, '') ?? ''))
    expect([id, type, rest]).toEqual([`id: ${event.seq}`, `event: ${event.type}`, []])
    return event
  })
}

async function endedJob(api: TestApi, prompt: string): Promise<string> {
  const id = await api.enqueue(prompt)
  await api.consume(echo)
  await api.ask(`/v1/jobs/${id}/result?wait=20`)
  return id
}

test('a stream opened before the job runs has every event once, in order, and closes after the last', async () => {
  await using api = await startTestApi(redis.url)
  const id = await api.enqueue('a\r\nid: 9\n\ndata: forged \u2028')
  const reply = await api.ask(`/v1/jobs/${id}/events`)
  expect(reply.status).toBe(200)
  expect(Object.fromEntries(reply.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  await api.consume(echo)
  const events = parseStream(await reply.text())
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1))
  expect([events[0]?.type, events[1]?.type, events.at(-1)?.type]).toEqual(['queued', 'started', 'completed'])
  expect(events.every((event) => event.jobId === id)).toBe(true)
})

test('a stream resumes after Last-Event-ID or ?after, and the header wins', async () => {
  await using api = await startTestApi(redis.url)
  const id = await endedJob(api, 'one two three')
  const path = `/v1/jobs/${id}/events`
  const all = parseStream(await (await api.ask(path)).text())
  const resume = async (query: string, headers = {}) =>
    parseStream(await (await api.ask(path + query, { headers })).text())
  expect(await resume('?after=0')).toEqual(all)
  expect(await resume('?after=2')).toEqual(all.slice(2))
  expect(await resume('', { 'last-event-id': '1' })).toEqual(all.slice(1))
  expect(await resume('?after=0', { 'last-event-id': '2' })).toEqual(all.slice(2))
})

test('a client that has the last event is told so by 204', async () => {
  await using api = await startTestApi(redis.url)
  const id = await endedJob(api, 'one')
  const last = parseStream(await (await api.ask(`/v1/jobs/${id}/events`)).text()).at(-1)?.seq
  for (const after of [last, 1_000]) {
    const reply = await api.ask(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': String(after) } })
    expect([reply.status, await reply.text()]).toEqual([204, ''])
  }
  for (const after of ['x', '-1', '1.5', '1'.repeat(20)]) {
    expect((await api.ask(`/v1/jobs/${id}/events?after=${after}`)).status).toBe(400)
  }
})

test('a quiet stream is kept alive by pings', async () => {
  await using api = await startTestApi(redis.url, { pingMs: 20 })
  const id = await api.enqueue()
  const reply = await api.ask(`/v1/jobs/${id}/events?after=1`)
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (text.length < 27) text += (await reader?.read())?.value ?? ''
  expect(text.slice(0, 27)).toBe(': ping\n\n: ping\n\n: ping\n\n: p')
  await reader?.cancel()
})

test('a client that goes away cancels nothing', async () => {
  await using api = await startTestApi(redis.url)
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  await api.consume(async (claim) => {
    claim.write({ type: 'text', text: 'x' })
    await finished
    return completed(claim)
  })
  const id = await api.enqueue()
  const reply = await api.ask(`/v1/jobs/${id}/events`)
  const reader = reply.body?.getReader()
  await reader?.read()
  await reader?.cancel()
  finish()
  const ended = await api.ask(`/v1/jobs/${id}/result?wait=20`)
  expect(((await ended.json()) as { state: string }).state).toBe('completed')
})

test('stop ends open streams without a last event, and waiting requests with 202', async () => {
  await using api = await startTestApi(redis.url, { stopMs: 10_000 })
  await api.consume(hang)
  const id = await api.enqueue()
  const stream = await api.ask(`/v1/jobs/${id}/events`)
  const waiting = api.ask(`/v1/jobs/${id}/result?wait=60`)
  // The request is in the server before it stops: the two share no connection, so order must be seen, not assumed.
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes('event: started')) text += (await reader?.read())?.value ?? ''
  const before = performance.now()
  await api.service.stop()
  expect(performance.now() - before).toBeLessThan(3_000)
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) text += next.value
  expect(parseStream(text).map((event) => event.type)).toEqual(['queued', 'started'])
  expect((await waiting).status).toBe(202)
})
