import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  completed,
  openFleet,
  SHORT_LOCKS,
  started,
  stopped,
  TENANT,
  typesOf,
  USAGE,
  type TestFleet,
} from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim } from '../types.js'

let server: TestRedis
let fleet: TestFleet
beforeEach(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
})
afterEach(async () => {
  await fleet.close()
  await server.stop()
})

const SUMS = { costUsd: 0, usage: USAGE, tools: {} }

test('a job of a worker that was killed starts again elsewhere, and the stream tells of the loss', async () => {
  const job = await fleet.enqueue()
  const script = fileURLToPath(new URL('../testing/lost-worker.mjs', import.meta.url))
  const child = fork(script, [server.url, fleet.prefix])
  await once(child, 'message')
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  const killedAt = performance.now()
  await fleet.consume(
    async (claim) => {
      claim.write(started)
      return completed(claim)
    },
    { timing: SHORT_LOCKS },
  )
  const view = await fleet.ended(job.id)
  expect(performance.now() - killedAt).toBeLessThan(SHORT_LOCKS.lockMs + 2 * SHORT_LOCKS.reapMs + 3_000)
  expect(view).toMatchObject({ state: 'completed', attempt: 2 })
  const events = await fleet.events(job.id)
  expect(typesOf(events)).toEqual(['queued', 'started', 'text', 'retry', 'started', 'completed'])
  expect(events[3]).toMatchObject({ attempt: 1, nextAttempt: 2, error: { code: 'WORKER_LOST', attempt: 1 } })
})

test('a job handed again to the worker that runs it is not started twice', async () => {
  const job = await fleet.enqueue()
  let runs = 0
  let finish = () => {}
  const gate = new Promise<void>((resolve) => (finish = resolve))
  await fleet.consume(
    async (claim) => {
      runs += 1
      await gate
      return completed(claim)
    },
    { timing: SHORT_LOCKS },
  )
  await expect.poll(() => runs, { interval: 5 }).toBe(1)
  const { client, keys } = fleet
  // What a stall check does that ran before the renewals: the lock is gone, the id is in the queue again.
  await client.del(`${keys.bullJob(job.id)}:lock`)
  await client
    .multi()
    .lrem(keys.bull('active'), 0, job.id)
    .rpush(keys.bull('wait'), job.id)
    .zadd(keys.bull('marker'), 0, '0')
    .exec()
  await expect.poll(() => client.exists(`${keys.bullJob(job.id)}:lock`), { interval: 5 }).toBe(1)
  finish()
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'completed', attempt: 1 })
  await expect.poll(() => client.zcard(keys.bull('completed'))).toBe(1)
  expect(runs).toBe(1)
})

test('a Redis that is killed and comes back loses no event and no result', async () => {
  const job = await fleet.enqueue()
  const reading = fleet.events(job.id)
  let back: Promise<unknown> | undefined
  await fleet.consume(async (claim) => {
    for (let at = 0; at < 40; at += 1) {
      claim.write({ type: 'log', stream: 'stdout', line: `${at}` })
      if (at === 10) {
        await new Promise((resolve) => setTimeout(resolve, 1_100)) // everysec: what is older is on disk
        await server.kill()
        back = startTestRedis({ dataDir: server.dataDir }).then((again) => (server = again))
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await back
    return completed(claim)
  })
  const events = await reading
  expect(typesOf(events).at(-1)).toBe('completed')
  expect(events.flatMap((event) => (event.type === 'log' ? [event.line] : []))).toHaveLength(40)
}, 20_000)

test('a reader whose connection is cut again and again misses nothing and doubles nothing', async () => {
  const job = await fleet.enqueue()
  const reading = fleet.events(job.id)
  await fleet.consume(async (claim) => {
    for (let at = 0; at < 60; at += 1) {
      claim.write({ type: 'log', stream: 'stdout', line: `${at}` })
      if (at % 15 === 5) await fleet.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return completed(claim)
  })
  const events = await reading
  expect(typesOf(events).at(-1)).toBe('completed')
  expect(events.flatMap((event) => (event.type === 'log' ? [event.line] : []))).toEqual(
    Array.from({ length: 60 }, (_, at) => `${at}`),
  )
})

test('calls end with UNAVAILABLE within their deadline while Redis is frozen or gone', async () => {
  const spec = { tenant: TENANT, id: (await fleet.enqueue()).id }
  process.kill(server.pid, 'SIGSTOP')
  const frozenAt = performance.now()
  const frozen = await Promise.allSettled([
    fleet.enqueue(),
    fleet.producer.get(TENANT, spec.id),
    fleet.producer.cancel(TENANT, spec.id, 'x'),
    fleet.redis.ping(),
  ])
  expect(performance.now() - frozenAt).toBeLessThan(6_000)
  process.kill(server.pid, 'SIGCONT')
  await server.kill()
  const gone = await Promise.allSettled([fleet.enqueue(), fleet.producer.get(TENANT, spec.id), fleet.redis.ping()])
  for (const call of [...frozen, ...gone])
    expect(call).toMatchObject({ reason: { code: 'UNAVAILABLE', retryable: true } })
}, 15_000)

test('a stop ends when Redis is gone, with an attempt in progress', async () => {
  await fleet.enqueue()
  const consumer = await fleet.consume(
    async (claim): Promise<AttemptOutcome> => {
      claim.write(started)
      await stopped(claim)
      return { ...SUMS, type: 'returned', delayMs: 0, reason: 'drain' }
    },
    { timing: SHORT_LOCKS },
  )
  await expect.poll(() => consumer.running(), { interval: 5 }).toBe(1)
  await server.kill()
  const askedAt = performance.now()
  await consumer.stop(100)
  expect(performance.now() - askedAt).toBeLessThan(8_000)
  expect(consumer.running()).toBe(0)
}, 15_000)

test('a run that throws counts as INTERNAL and is tried again until no attempt is left', async () => {
  const job = await fleet.enqueue({ attempts: 2, backoff: { type: 'fixed', delayMs: 0, maxDelayMs: 0, jitter: 0 } })
  await fleet.consume(async (_claim: Claim) => {
    throw new Error('a fault of the worker')
  })
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'failed', attempt: 2, error: { code: 'INTERNAL' } })
  expect(typesOf(await fleet.events(job.id))).toEqual(['queued', 'retry', 'failed'])
})
