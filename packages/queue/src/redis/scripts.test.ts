import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFleet, TENANT, typesOf, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { LOG_BYTES } from './scripts/prelude.js'
import { runScript, type ScriptName } from './scripts.js'

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

const RETENTION = 60_000

function run(name: ScriptName, id: string, ...args: (string | number)[]) {
  return runScript(fleet.client, name, fleet.keys.job(id), [fleet.prefix, id, ...args])
}

async function begin(id: string, fence: string, attempts = 3) {
  await fleet.client.set(`${fleet.keys.bullJob(id)}:lock`, 'token')
  return run('fleetBegin', id, fence, 'w', attempts, RETENTION, TENANT, 'token')
}

function batch(id: string, attempt: number, first: number, last: number): string {
  const events = Array.from({ length: last - first + 1 }, (_, at) => {
    return { jobId: id, attempt, seq: first + at, ts: 1, type: 'text', text: `${first + at}` }
  })
  return JSON.stringify(events)
}

const append = (id: string, fence: string, attempt: number, first: number, last: number, force = '0') =>
  run('fleetAppend', id, fence, first, last, batch(id, attempt, first, last), force, '')

function settle(id: string, fence: string, state: string, seq: number, text: string) {
  const end = { jobId: id, attempt: 1, seq, ts: 1, type: 'cancelled', reason: text }
  const sums = JSON.stringify({ usage: { inputTokens: 3 }, tools: {} })
  return run(
    'fleetSettle',
    id,
    fence,
    state,
    seq,
    seq,
    JSON.stringify([end]),
    JSON.stringify(end),
    RETENTION,
    '0',
    '0.5',
    sums,
    '',
    '0',
    0,
    '',
    'cancelled',
    '',
  )
}

test('a batch that is sent again is taken once', async () => {
  const { id } = await fleet.enqueue()
  await begin(id, 'f1')
  expect(await append(id, 'f1', 1, 2, 4)).toEqual(['ok', '4', ''])
  expect(await append(id, 'f1', 1, 2, 4)).toEqual(['ok', '4', ''])
  expect(await fleet.client.xlen(fleet.keys.log(id))).toBe(2)
})

test('a hole is refused with the last number, and left only on demand', async () => {
  const { id } = await fleet.enqueue()
  await begin(id, 'f1')
  expect(await append(id, 'f1', 1, 5, 6)).toEqual(['hole', '1'])
  expect(await append(id, 'f1', 1, 5, 6, '1')).toEqual(['ok', '6', ''])
})

test('the begin of an attempt can be repeated, and an older attempt can write nothing after the next has begun', async () => {
  const { id } = await fleet.enqueue()
  const before = await fleet.admin.metrics()
  const answer = await begin(id, 'f1')
  expect(await begin(id, 'f1')).toEqual(answer)
  const [word, attempt, failures] = await begin(id, 'f2')
  expect([word, attempt, failures]).toEqual(['run', '2', '0'])
  expect(await append(id, 'f1', 1, 3, 3)).toEqual(['fenced'])
  expect(await settle(id, 'f1', 'cancelled', 3, 'late')).toEqual(['fenced'])
  expect(await append(id, 'f2', 2, 3, 3)).toEqual(['ok', '3', ''])
  await settle(id, 'f2', 'cancelled', 4, 'end')
  expect(typesOf(await fleet.events(id))).toEqual(['queued', 'retry', 'text', 'cancelled'])
  const after = await fleet.admin.metrics()
  expect([before.workersLost, after.workersLost]).toEqual([0, 1])
  expect([before.fenced, after.fenced]).toEqual([
    { append: 0, settle: 0 },
    { append: 1, settle: 1 },
  ])
  expect([after.attempts - before.attempts, after.retries.WORKER_LOST]).toEqual([2, 1])
})

test('the end of a job is written once: repeats change nothing, others are refused, and no attempt begins again', async () => {
  const { id } = await fleet.enqueue()
  await begin(id, 'f1')
  expect(await settle(id, 'f1', 'cancelled', 2, 'first')).toEqual(['ok'])
  expect(await settle(id, 'f1', 'cancelled', 2, 'first')).toEqual(['ok'])
  expect(await append(id, 'f1', 1, 3, 3)).toEqual(['fenced'])
  expect((await begin(id, 'f2'))[0]).toBe('sealed')
  expect(await fleet.producer.get(TENANT, id)).toMatchObject({ costUsd: 0.5, usage: { inputTokens: 3 }, attempt: 1 })
  expect(typesOf(await fleet.events(id))).toEqual(['queued', 'cancelled'])
})

test('a job whose last attempt was lost fails with WORKER_LOST and does not run', async () => {
  const { id } = await fleet.enqueue({ attempts: 1 })
  await begin(id, 'f1', 1)
  await append(id, 'f1', 1, 2, 2)
  expect((await begin(id, 'f2', 1))[0]).toBe('sealed')
  const view = await fleet.producer.get(TENANT, id)
  expect(view).toMatchObject({ state: 'failed', attempt: 1, error: { code: 'WORKER_LOST', attempt: 1 } })
})

test('a job is not begun before its time, whatever the clock of the worker says', async () => {
  const { id } = await fleet.enqueue({ delayMs: 5_000 })
  const [word, ms] = await begin(id, 'f1')
  expect(word).toBe('early')
  expect(Number(ms)).toBeGreaterThan(4_000)
})

test('a state change that no transition allows is an error', async () => {
  const { id } = await fleet.enqueue()
  await begin(id, 'f1')
  await fleet.client.hset(fleet.keys.job(id), 'state', 'completed')
  await expect(settle(id, 'f1', 'cancelled', 2, 'end')).rejects.toThrow('cannot go from completed to cancelled')
})

test('losses are counted apart from failures, and the last try of a job is held back where another has its own', async () => {
  const { id } = await fleet.enqueue()
  const tryOf = async (fence: string, alone: '0' | '1') => {
    await fleet.client.set(`${fleet.keys.bullJob(id)}:lock`, 'token')
    const [word, ...rest] = await run('fleetBegin', id, fence, 'w', 3, RETENTION, TENANT, 'token', alone)
    return word === 'run' ? [word, ...rest.slice(0, 2)] : [word]
  }
  expect(await tryOf('f1', '1')).toEqual(['run', '1', '0'])
  expect(await tryOf('f2', '1')).toEqual(['run', '2', '0'])
  expect(await tryOf('f3', '1')).toEqual(['apart'])
  // The loss was told and the older attempt shut out, once.
  expect(await append(id, 'f2', 2, 4, 4)).toEqual(['fenced'])
  expect(await tryOf('f3', '1')).toEqual(['apart'])
  expect((await fleet.producer.get(TENANT, id))?.state).toBe('waiting')
  expect(await tryOf('f3', '0')).toEqual(['run', '3', '0'])
  expect(await tryOf('f4', '1')).toEqual(['sealed'])
  const view = await fleet.producer.get(TENANT, id)
  expect(view).toMatchObject({ state: 'failed', attempt: 3, error: { code: 'WORKER_LOST', details: { losses: 3 } } })
  expect(view?.attempts?.map(({ outcome, code }) => [outcome, code])).toEqual(
    [1, 2, 3].map(() => ['lost', 'WORKER_LOST']),
  )
  expect(typesOf(await fleet.events(id))).toEqual(['queued', 'retry', 'retry', 'failed'])
})

test('an attempt that wrote nothing before its worker was lost is not held against the one attempt a job may have', async () => {
  const { id } = await fleet.enqueue({ attempts: 1 })
  await begin(id, 'f1', 1)
  expect((await begin(id, 'f2', 1)).slice(0, 2)).toEqual(['run', '2'])
  await append(id, 'f2', 2, 3, 3)
  expect((await begin(id, 'f3', 1))[0]).toBe('sealed')
})

test('the cost of a lost attempt is what was seen of it, until the worker that was cut off tells the whole', async () => {
  const { id } = await fleet.enqueue()
  const spend = (costUsd: number, reads: number) =>
    JSON.stringify({ costUsd, usage: { outputTokens: 10 * reads }, tools: { Read: reads } })
  await begin(id, 'f1')
  expect(await run('fleetAppend', id, 'f1', 1, 0, '[]', '0', spend(0.25, 1))).toEqual(['ok', '1', ''])
  await run('fleetAppend', id, 'f1', 1, 0, '[]', '0', spend(0.5, 2))
  await append(id, 'f1', 1, 2, 2)
  await begin(id, 'f2')
  const seen = await fleet.producer.get(TENANT, id)
  expect(seen).toMatchObject({ costUsd: 0.5, usage: { outputTokens: 20 } })
  expect(seen?.attempts?.[0]).toMatchObject({ outcome: 'lost', worker: 'w', costUsd: 0.5, tools: { Read: 2 } })
  expect(await run('fleetAppend', id, 'f1', 1, 0, '[]', '0', spend(9, 9))).toEqual(['fenced'])
  await settle(id, 'f2', 'cancelled', 4, 'end')
  expect(await run('fleetAccount', id, 'f1', 1, spend(0.75, 3))).toEqual(['ok'])
  expect(await run('fleetAccount', id, 'f1', 1, spend(9, 9))).toEqual(['unknown'])
  expect(await run('fleetAccount', id, 'f2', 2, spend(9, 9))).toEqual(['unknown'])
  const view = await fleet.producer.get(TENANT, id)
  expect(view).toMatchObject({ state: 'cancelled', costUsd: 1.25, usage: { inputTokens: 3, outputTokens: 30 } })
  expect(view?.attempts?.map(({ outcome, costUsd }) => [outcome, costUsd])).toEqual([
    ['fenced', 0.75],
    ['cancelled', 0.5],
  ])
  expect((await fleet.admin.stats(TENANT)).tools).toEqual({ Read: 3 })
})

test('a log that grows past its bytes loses its oldest events, and a reader is told which', async () => {
  const { id } = await fleet.enqueue()
  await begin(id, 'f1')
  const text = 'x'.repeat(1_048_576)
  const count = LOG_BYTES / text.length + 8
  for (let seq = 2; seq < count + 2; seq += 1) {
    const events = [{ jobId: id, attempt: 1, seq, ts: 1, type: 'text', text }]
    await run('fleetAppend', id, 'f1', seq, seq, JSON.stringify(events), '0', '')
  }
  await settle(id, 'f1', 'cancelled', count + 2, 'enough')
  const events = await fleet.events(id)
  const [gap, next] = events
  expect(gap).toMatchObject({ type: 'gap', from: 1, to: (next?.seq ?? 0) - 1 })
  expect(events.length - 2).toBeLessThanOrEqual(LOG_BYTES / text.length)
  // It was not cut further than the limit asks.
  expect(events.length).toBeGreaterThan(0.9 * (LOG_BYTES / text.length))
  expect(typesOf(events.slice(1), next?.seq).at(-1)).toBe('cancelled')
})
