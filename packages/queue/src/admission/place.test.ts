import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, QUIET, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { WorkerRegistration, WorkerStatus } from '../types.js'
import { registerWorker } from '../workers/registration.js'

let server: TestRedis
let fleet: TestFleet
const registered: WorkerRegistration[] = []
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(async () => {
  for (const one of registered.splice(0)) await one.close()
  await fleet.close()
})

async function worker(workerId: string, status: Partial<WorkerStatus> = {}) {
  const said: WorkerStatus = {
    claudeVersion: '2.1.330',
    limit: 4,
    running: 0,
    spares: 0,
    credentials: ['default'],
    keepsMs: 60_000,
    pausedReason: undefined,
    pool: { created: 0, reused: 0, spare: 0, cold: 0, destroyed: 0 },
    ends: {},
    ...status,
  }
  const deps = { redis: fleet.redis, log: QUIET, status: () => said, onDrain: () => {} }
  registered.push(await registerWorker(deps, { prefix: fleet.prefix, workerId, host: 'host', pid: 1 }))
  return fleet.consume(async (claim) => completed(claim), { workerId })
}

/** Which workers ran so many turns of a session, one enqueued after the end of the other. */
async function ranBy(session: string, turns: number): Promise<(string | undefined)[]> {
  const workers: (string | undefined)[] = []
  for (let turn = 0; turn < turns; turn += 1) {
    const { id } = await fleet.enqueue({ session })
    workers.push((await fleet.ended(id))?.worker)
  }
  return workers
}

test('a turn goes to the worker that had the last one while it keeps the process and is free', async () => {
  for (const id of ['w1', 'w2', 'w3']) await worker(id)
  const { id } = await fleet.session()
  const [first, ...rest] = await ranBy(id, 12)
  // Nobody waits for it, so a busy machine may see one go elsewhere.
  expect(rest.filter((one, at) => one === (at === 0 ? first : rest[at - 1])).length).toBeGreaterThanOrEqual(8)
})

test('a turn does not wait for a worker that is full, paused, keeps nothing, or is gone', async () => {
  await worker('other')
  const { id } = await fleet.session()
  for (const status of [{ running: 4 }, { pausedReason: 'draining' }, { keepsMs: 0 }]) {
    const had = await worker('had', status)
    await fleet.client.hset(`${fleet.prefix}:session:${id}`, 'worker', 'had')
    await had.stop(0)
    expect(await ranBy(id, 1)).toEqual(['other'])
    await registered.pop()?.close()
  }
  await fleet.client.hset(`${fleet.prefix}:session:${id}`, 'worker', 'gone')
  expect(await ranBy(id, 1)).toEqual(['other'])
  // It is there and free, and yet does not come: after some passes another takes the turn.
  const silent = await worker('silent')
  await silent.stop(0)
  await fleet.client.hset(`${fleet.prefix}:session:${id}`, 'worker', 'silent')
  expect(await ranBy(id, 1)).toEqual(['other'])
})
