import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
})
afterAll(() => fleet[Symbol.asyncDispose]())

/** Loaded before the worker: its wall clock is two minutes ahead until SIGUSR2. Timers keep their pace. */
const AHEAD = `data:text/javascript,${encodeURIComponent(
  `const now = Date.now; Date.now = () => now() + 120_000; process.on('SIGUSR2', () => { Date.now = now })`,
)}`

test('a worker whose clock is wrong says so and claims nothing until it is right', async () => {
  const worker = await fleet.worker('ahead', { NODE_OPTIONS: `--import=${AHEAD}` })
  expect(await pausedReason()).toMatch(/^clock 1[12]\d\.\d s ahead of that of Redis$/)

  const delayed = await fleet.http.enqueue({ prompt: 'not before its time', delayMs: 60_000 })
  const job = await fleet.http.enqueue({ prompt: 'after all' })
  await nextBeat()
  expect(await job.get()).toMatchObject({ state: 'waiting', attempt: 0 })
  expect(await delayed.get()).toMatchObject({ state: 'delayed', attempt: 0 })

  worker.signal('SIGUSR2')
  expect((await job.result()).text).toBe('Echo: after all')
  await expect.poll(pausedReason, { timeout: 10_000 }).toBeUndefined()
  expect(await delayed.get()).toMatchObject({ state: 'delayed', attempt: 0 })
})

interface Worker {
  lastSeen: number
  pausedReason?: string
}

async function workers(): Promise<Worker[]> {
  const reply = await fetch(`${fleet.url}/v1/workers`, { headers: { authorization: `Bearer ${fleet.key}` } })
  return ((await reply.json()) as { items: Worker[] }).items
}

const pausedReason = async () => (await workers())[0]?.pausedReason

async function nextBeat(): Promise<void> {
  const before = (await workers())[0]?.lastSeen ?? 0
  await expect.poll(async () => (await workers())[0]?.lastSeen, { timeout: 10_000 }).toBeGreaterThan(before)
}
