import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFleet, typesOf, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'

const SCRIPT = fileURLToPath(new URL('../testing/poisoned-worker.mjs', import.meta.url))

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

test('a job that kills its worker each time fails after three, and the jobs beside it are completed', async () => {
  const poison = await fleet.enqueue({ prompt: 'poison' })
  const others = await Promise.all(['a', 'b', 'c'].map((prompt) => fleet.enqueue({ prompt })))
  const begun: { prompt: string; attempt: number }[] = []
  const living = new Set<ChildProcess>()
  let deaths = 0
  const over = new AbortController()
  /** One worker, started again whenever it dies, as an init system does. */
  const keepAlive = (async () => {
    while (!over.signal.aborted) {
      const child = fork(SCRIPT, [server.url, fleet.prefix, `w${deaths}`])
      living.add(child)
      child.on('message', (message) => begun.push(message as { prompt: string; attempt: number }))
      await once(child, 'exit')
      living.delete(child)
      if (!over.signal.aborted) deaths += 1
    }
  })()
  try {
    const end = await fleet.ended(poison.id)
    expect(end).toMatchObject({ state: 'failed', attempt: 3, error: { code: 'WORKER_LOST', retryable: true } })
    expect(end?.attempts?.map(({ outcome }) => outcome)).toEqual(['lost', 'lost', 'lost'])
    for (const { id } of others) {
      expect((await fleet.ended(id))?.state).toBe('completed')
      const ends = typesOf(await fleet.events(id)).filter((type) => ['completed', 'failed', 'cancelled'].includes(type))
      expect(ends).toEqual(['completed'])
    }
    expect(deaths).toBe(3)
    expect(begun.filter(({ prompt }) => prompt === 'poison').map(({ attempt }) => attempt)).toEqual([1, 2, 3])
  } finally {
    over.abort()
    for (const child of living) child.kill('SIGKILL')
    await keepAlive
  }
}, 40_000)
