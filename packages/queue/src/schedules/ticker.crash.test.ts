import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { completed, TENANT, typesOf } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { openScheduledFleet } from '../testing/schedules.js'

const SCRIPT = fileURLToPath(new URL('../testing/crash-ticker.mjs', import.meta.url))

let server: TestRedis
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())

describe.concurrent('a ticker that is killed', () => {
  test.for(['time | record', 'record | queue', 'queue | end'])(
    'leaves a time that makes one job, which runs once: %s',
    { timeout: 30_000 },
    async (point, { expect }) => {
      const fleet = await openScheduledFleet(server.url)
      try {
        const id = await fleet.create({ overlap: 'replace' })
        const before = await fleet.schedules.run(TENANT, id)
        const child = fork(SCRIPT, [server.url, fleet.prefix, point])
        const exit = once(child, 'exit') as Promise<[number, string]>
        await once(child, 'message')
        const at = await fleet.comeNow(id)
        expect((await exit)[1]).toBe('SIGKILL')
        // To a clock before the time the scheduler would look as if it had left it out.
        await fleet.startTicker({ now: () => at + 1 })
        await expect
          .poll(() => fleet.ticks.getJobCounts('wait', 'active'), { interval: 20, timeout: 15_000 })
          .toMatchObject({ wait: 0, active: 0 })
        let runs = 0
        await fleet.consume(async (claim) => {
          runs += 1
          return completed(claim)
        })
        const history = (await fleet.history(id)).filter(({ trigger }) => trigger === 'cron')
        expect(history).toMatchObject([{ at, outcome: 'enqueued', replaced: before?.id }])
        expect((await fleet.ended(history[0]?.jobId ?? ''))?.state).toBe('completed')
        expect(typesOf(await fleet.events(history[0]?.jobId ?? ''))).toEqual(['queued', 'completed'])
        expect([runs, await fleet.client.zcard(fleet.keys.jobs(TENANT))]).toEqual([1, 2])
        expect((await fleet.ended(before?.id ?? ''))?.state).toBe('cancelled')
        // The next time waits in the queue: the chain did not break.
        expect((await fleet.ticks.getDelayed()).length).toBe(1)
      } finally {
        await fleet.close()
      }
    },
  )
})
