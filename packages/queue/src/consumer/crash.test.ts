import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { completed, openFleet, SHORT_LOCKS, specOf, TENANT, typesOf } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

const SCRIPT = fileURLToPath(new URL('../testing/crash.mjs', import.meta.url))
const TIMING = { ...SHORT_LOCKS, lockMs: 800, renewMs: 200, doubtMs: 500, cutOffMs: 700, gapMs: 2_000 }

let server: TestRedis
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())

/** Where the process dies, how often the job runs afterwards, its attempts, and what its stream says. */
const POINTS: [string, number, number, string[]][] = [
  ['record | queue', 1, 1, ['queued', 'completed']],
  ['claim | begin', 1, 1, ['queued', 'completed']],
  ['begin | run', 1, 2, ['queued', 'retry', 'completed']],
  ['run | seal', 1, 2, ['queued', 'retry', 'completed']],
  ['seal | queue', 0, 1, ['queued', 'completed']],
  ['retry | queue', 1, 2, ['queued', 'retry', 'completed']],
]

describe.concurrent('a process that is killed between two writes', () => {
  test.for(POINTS)(
    'leaves a job that ends once and is run no more than needed: %s',
    { timeout: 30_000 },
    async ([point, runs, attempts, types], { expect }) => {
      const fleet = await openFleet(server.url)
      try {
        if (point !== 'record | queue') {
          await fleet.producer.enqueue({ tenant: TENANT, spec: specOf({ prompt: 'x' }), idempotencyKey: 'k' })
        }
        const [, signal] = (await once(fork(SCRIPT, [server.url, fleet.prefix, point]), 'exit')) as [number, string]
        expect(signal).toBe('SIGKILL')
        let ran = 0
        await fleet.consume(
          async (claim) => {
            ran += 1
            return completed(claim)
          },
          { timing: TIMING },
        )
        // The caller that did not hear the answer asks again, as it is told to.
        const spec = specOf({ prompt: 'x' })
        const { job, created } = await fleet.producer.enqueue({ tenant: TENANT, spec, idempotencyKey: 'k' })
        expect(created).toBe(false)
        expect(await fleet.ended(job.id)).toMatchObject({ state: 'completed', attempt: attempts })
        expect(typesOf(await fleet.events(job.id))).toEqual(types)
        const { client, keys } = fleet
        await expect.poll(() => client.zcard(keys.bull('completed')), { timeout: 10_000 }).toBe(1)
        expect([await client.llen(keys.bull('active')), await client.llen(keys.bull('wait')), ran]).toEqual([
          0,
          0,
          runs,
        ])
      } finally {
        await fleet.close()
      }
    },
  )
})
