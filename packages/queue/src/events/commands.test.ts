import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, openFleet, started, type TestFleet } from '../testing/fleet.js'
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

const FLUSHES = 20
/** What the fleet asks Redis to do for each: within one script, and read by a subscriber from the channel alone. */
const OF_A_FLUSH = { evalsha: 1, xadd: 1, publish: 1 }
/** `begin` and `settle`, and what BullMQ asks to claim, to complete and to look for the next. */
const SCRIPTS_OF_A_JOB_MAX = 40

test('a flush is one script that appends once and publishes once, and a job asks for a fixed number besides', async () => {
  const { calls: flushed, ms } = await callsOf(FLUSHES, 0)
  // Of the same length, so that what comes with time, such as looking for lost jobs, is in both.
  const { calls: plain } = await callsOf(0, ms)
  for (const [name, times] of Object.entries(OF_A_FLUSH)) {
    const more = (flushed[name] ?? 0) - (plain[name] ?? 0)
    expect([name, Math.round(more / FLUSHES)]).toEqual([name, times])
  }
  expect(plain['evalsha']).toBeLessThanOrEqual(SCRIPTS_OF_A_JOB_MAX)
})

/** How often each command was called while one job ran that was read and wrote so many batches. */
async function callsOf(flushes: number, idleMs: number) {
  let begin = () => {}
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const own = await openFleet(server.url)
  await own.consume(async (claim) => {
    await begun
    claim.write(started)
    await pause(idleMs)
    for (let at = 1; at <= flushes; at += 1) {
      claim.write({ type: 'log', stream: 'stdout', line: `${at}` })
      await expect.poll(() => own.client.xlen(own.keys.log(claim.jobId)), { interval: 5 }).toBe(at + 2)
    }
    return completed(claim)
  })
  const { id } = await own.enqueue()
  const reading = own.events(id)
  const before = await calls()
  const from = performance.now()
  begin()
  await reading
  const ms = performance.now() - from
  const after = await calls()
  await own.close()
  const more = Object.entries(after).map(([name, times]) => [name, times - (before[name] ?? 0)] as const)
  return { ms, calls: Object.fromEntries(more) as Record<string, number> }
}

async function calls(): Promise<Record<string, number>> {
  const text = await fleet.client.info('commandstats')
  const found = [...text.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
  return Object.fromEntries(found.map(([, name, times]) => [name, Number(times)]))
}
