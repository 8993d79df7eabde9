import { afterEach, beforeEach, expect, test } from 'vitest'
import { runScript } from '../redis/scripts.js'
import { completed, openFleet, QUIET, SHORT_LOCKS, TENANT, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { Claim, LockState } from '../types.js'
import { createReaper } from './reaper.js'

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

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const locks = (ids: string[]) => Promise.all(ids.map((id) => fleet.client.exists(`${fleet.keys.bullJob(id)}:lock`)))
const counters = () => fleet.client.hgetall(fleet.keys.counters)

function reap(instance: string, { restMs = 1_000, gapMs = 60_000, leaseMs = 300 } = {}) {
  const { client, keys } = fleet
  return runScript(client, 'fleetReap', keys.reaper, [keys.prefix, '', instance, restMs, gapMs, leaseMs, 10, 0])
}

/** Jobs as a worker that died long ago leaves them. */
async function lostJobs(count: number): Promise<string[]> {
  const { client, keys } = fleet
  const ids = await Promise.all(Array.from({ length: count }, async () => (await fleet.enqueue()).id))
  for (let at = 0; at < count; at += 1) await client.rpoplpush(keys.bull('wait'), keys.bull('active'))
  return ids
}

test('a Redis that stands still for three lock times costs no attempt: each is suspended and goes on', async () => {
  const starts: string[] = []
  const states = new Map<string, LockState[]>()
  let finish = () => {}
  const gate = new Promise<void>((resolve) => (finish = resolve))
  const run = async (claim: Claim) => {
    starts.push(claim.jobId)
    claim.lock.onChange((state) => states.set(claim.jobId, [...(states.get(claim.jobId) ?? []), state]))
    await gate
    expect(claim.lock.state).toBe('sure')
    return completed(claim)
  }
  await fleet.consume(run, { workerId: 'w1', concurrency: 4, timing: SHORT_LOCKS })
  await fleet.consume(run, { workerId: 'w2', concurrency: 4, timing: SHORT_LOCKS })
  const jobs = await Promise.all(Array.from({ length: 6 }, () => fleet.enqueue()))
  const ids = jobs.map(({ id }) => id)
  await expect.poll(() => starts.length, { interval: 5 }).toBe(6)
  process.kill(server.pid, 'SIGSTOP')
  await pause(3 * SHORT_LOCKS.lockMs)
  expect([...states.values()].map((all) => all.at(-1))).toEqual(ids.map(() => 'doubtful'))
  process.kill(server.pid, 'SIGCONT')
  const latest = () => [...states.values()].map((all) => all.at(-1))
  await expect.poll(latest, { timeout: 5_000 }).toEqual(ids.map(() => 'sure'))
  // Nothing was taken over in the rest after the gap, and nothing is left to take over after it.
  await pause(SHORT_LOCKS.lockMs + 3 * SHORT_LOCKS.reapMs)
  expect(await locks(ids)).toEqual(Array(6).fill(1))
  finish()
  for (const id of ids) expect(await fleet.ended(id)).toMatchObject({ state: 'completed', attempt: 1 })
  expect([...starts].sort()).toEqual([...ids].sort())
  expect(await counters()).toEqual({ reclaimed: '6' })
}, 20_000)

test('an owner takes back a job that went to the queue and that nobody has claimed', async () => {
  const job = await fleet.enqueue()
  const { client, keys } = fleet
  let finish = () => {}
  const gate = new Promise<void>((resolve) => (finish = resolve))
  const run = async (claim: Claim) => {
    await gate
    return completed(claim)
  }
  const consumer = await fleet.consume(run, { concurrency: 1, timing: SHORT_LOCKS })
  await expect.poll(() => consumer.running(), { interval: 5 }).toBe(1)
  const [seconds] = await client.time()
  await client.hset(keys.reaper, 'restUntil', 0, 'seenAt', Number(seconds) * 1_000 + 900)
  await client.del(`${keys.bullJob(job.id)}:lock`)
  await expect.poll(async () => (await counters())['reclaimed'], { interval: 10 }).toBe('1')
  expect(await client.lrange(keys.bull('active'), 0, -1)).toEqual([job.id])
  expect(await client.llen(keys.bull('wait'))).toBe(0)
  finish()
  expect(await fleet.ended(job.id)).toMatchObject({ state: 'completed', attempt: 1 })
})

test('an owner that was replaced does not get its lock back, and neither does a stranger', async () => {
  const { client, keys } = fleet
  const job = await fleet.enqueue()
  await client.rpoplpush(keys.bull('wait'), keys.bull('active'))
  await client.hset(keys.job(job.id), 'fence', 'f2', 'state', 'active')
  const renew = (token: string, fence: string) =>
    runScript(client, 'fleetRenew', keys.job(job.id), [keys.prefix, job.id, token, 5_000, fence])
  expect(await renew('t1', 'f1')).toEqual(['lost'])
  expect(await renew('t2', 'f2')).toEqual(['reclaimed'])
  expect(await renew('t2', 'f2')).toEqual(['kept'])
  expect(await renew('t1', 'f2')).toEqual(['lost'])
})

test('jobs of lost workers go back to the queue once, to its head, however many reapers there are', async () => {
  const ids = await lostJobs(25)
  const later = await fleet.enqueue()
  await reap('first', { restMs: 0 })
  const deps = { client: fleet.client, keys: fleet.keys, log: QUIET }
  const reapers = Array.from({ length: 3 }, () => createReaper(deps, { ...SHORT_LOCKS, lockMs: 10, reapMs: 10 }))
  for (const reaper of reapers) reaper.start()
  const { client, keys } = fleet
  await expect.poll(() => client.llen(keys.bull('active')), { interval: 5 }).toBe(0)
  await pause(100)
  await Promise.all(reapers.map((reaper) => reaper.stop()))
  const waiting = await client.lrange(keys.bull('wait'), 0, -1)
  expect([...waiting].sort()).toEqual([...ids, later.id].sort())
  expect(waiting[0]).toBe(later.id)
  expect(await counters()).toEqual({ rescued: '25' })
})

test('a reaper that slept past its lease rescues nothing: another has it', async () => {
  await reap('first', { restMs: 0 })
  expect((await reap('first', { restMs: 0 }))[0]).toBe('reaped')
  expect(await reap('second', { restMs: 0 })).toEqual(['other'])
  await pause(400)
  const [id] = await lostJobs(1)
  expect(await reap('second', { restMs: 0 })).toEqual(['reaped', '', id])
  await lostJobs(1)
  expect(await reap('first', { restMs: 0 })).toEqual(['other'])
})

test('after a gap in the service of Redis, a new run of it or a clock set back, nothing is taken over for a lock time', async () => {
  const { client, keys } = fleet
  const [id] = await lostJobs(1)
  const resting = async () => (await reap('one', { restMs: 400, gapMs: 1_000 })).filter((word) => !/^\d+$/.test(word))
  expect(await resting()).toEqual(['rest', 'new'])
  expect(await resting()).toEqual(['rest', ''])
  for (const note of [
    ['seenAt', 1],
    ['seenAt', 9e15],
    ['run', 'another'],
  ] as const) {
    await client.hset(keys.reaper, 'restUntil', 0, ...note)
    expect(await resting()).toEqual(['rest', 'new'])
    expect(await client.lrange(keys.bull('active'), 0, -1)).toEqual([id])
  }
  await pause(450)
  expect(await resting()).toEqual(['reaped', '', id])
})

test('a process that only enqueues notes that Redis serves, and leaves a gap for the reaper to see', async () => {
  const { client, keys } = fleet
  const note = () => runScript(client, 'fleetNote', keys.reaper, [keys.prefix, ''])
  const seenAt = async () => Number(await client.hget(keys.reaper, 'seenAt'))
  await note()
  expect(await client.hexists(keys.reaper, 'seenAt')).toBe(0)
  await reap('one', { gapMs: 5_000 })
  const first = await seenAt()
  await client.hset(keys.reaper, 'seenAt', first - 3_000)
  await note()
  expect(await seenAt()).toBeGreaterThanOrEqual(first)
  await client.hset(keys.reaper, 'seenAt', first - 9_000)
  await note()
  expect(await seenAt()).toBe(first - 9_000)
  expect((await reap('one', { gapMs: 5_000 })).at(-1)).toBe('new')
})

test('an attempt begins only with the lock that BullMQ gave it', async () => {
  const { client, keys } = fleet
  const { id } = await fleet.enqueue()
  const begin = (fence: string, token: string) =>
    runScript(client, 'fleetBegin', keys.job(id), [keys.prefix, id, fence, 'w', 3, 60_000, TENANT, token])
  const lock = `${keys.bullJob(id)}:lock`
  expect(await begin('f1', 't1')).toEqual(['unlocked'])
  await client.set(lock, 't2')
  expect(await begin('f1', 't1')).toEqual(['unlocked'])
  expect((await begin('f2', 't2'))[0]).toBe('run')
  // Handed out long ago to a worker that slept before it could begin: the attempt that runs is not ended by it.
  expect(await begin('f1', 't1')).toEqual(['unlocked'])
  expect(await fleet.producer.get(TENANT, id)).toMatchObject({ state: 'active', attempt: 1 })
})
