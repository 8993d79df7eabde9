import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.js'

/** Recovery that the fleet promises after kill -9 of a worker, ms. */
const RECOVERY_MS = 30_000

test('a job whose worker is killed runs again on another within 30 s, in the same stream, and its processes are gone', async () => {
  await using fleet = await startFleet()
  const first = await fleet.worker('first')
  const job = await fleet.http.enqueue({ prompt: '[[slow:40,250]][[text:to be told to the end, whoever tells it]]' })
  const seen: string[] = []
  let killedAt = 0
  let claude: number[] = []
  for await (const event of job.events()) {
    seen.push(event.type === 'text' ? 'text' : `${event.type} ${event.attempt}`)
    if (event.type === 'text' && killedAt === 0) {
      const second = fleet.worker('second')
      claude = await childrenOf(first.pid)
      await second
      killedAt = performance.now()
      first.signal('SIGKILL')
    }
    if (event.type === 'retry') expect(event.error.code).toBe('WORKER_LOST')
    if (event.type === 'started' && event.attempt === 2) {
      expect(performance.now() - killedAt).toBeLessThan(RECOVERY_MS)
      // And its supervisor, and a spare where one was begun.
      expect(claude.length).toBeGreaterThanOrEqual(2)
      expect(await livingOf(claude)).toEqual([])
    }
  }
  expect(seen.filter((type) => type !== 'text')).toEqual([
    'queued 0',
    'started 1',
    'retry 1',
    'started 2',
    'completed 2',
  ])
  expect(await job.result()).toMatchObject({
    text: 'to be told to the end, whoever tells it',
    worker: 'second',
    attempt: 2,
  })
  const { attempts } = await job.get()
  expect(attempts?.map(({ attempt, worker, outcome }) => [attempt, worker, outcome])).toEqual([
    [1, 'first', 'lost'],
    [2, 'second', 'completed'],
  ])
}, 60_000)

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(' ').map(Number)
}

async function livingOf(pids: number[]): Promise<number[]> {
  const states = await Promise.all(
    pids.map(async (pid) => (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') gone')).split(') ')[1] ?? ''),
  )
  return pids.filter((_, index) => !/^(gone|Z)/.test(states[index] ?? ''))
}
