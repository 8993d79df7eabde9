import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Job } from '@claude-fleet/client'
import { isEndEvent, type StreamEvent } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { startFleet, TEST_TENANT } from '../support/fleet.js'
import { openRawRedis } from '../support/raw-redis.js'
import { createRandom, type Random } from '../support/random.js'

/** Recovery that the fleet promises after kill -9 of a worker, ms. */
const RECOVERY_MS = 30_000

test('a job whose worker is killed runs again on another within 30 s, its processes are gone, and 200 subscribers who come and go have one stream; tools that had ended do not run again', async () => {
  await using fleet = await startFleet()
  using redis = openRawRedis(fleet.redisUrl)
  const ranFile = join(fleet.workspaceRoot, TEST_TENANT, 'ran')
  const first = await fleet.worker('first')
  const job = await fleet.http.enqueue({ prompt: '[[slow:40,250]][[text:to be told to the end, whoever tells it]]' })
  const [once, again] = ['echo once >> ran', 'echo again >> ran; while [ $(wc -l < ran) -lt 3 ]; do sleep 0.1; done']
  const tools = [once, again].map((command) => `[[tool:Bash:${JSON.stringify({ command })}]]`)
  const withTools = await fleet.http.enqueue({ prompt: `${tools.join('')}[[text:resumed]]`, allowedTools: ['Bash'] })
  const seen: string[] = []
  let killedAt = 0
  let claude: number[] = []
  const random = createRandom(1)
  const subscribers = Array.from({ length: 200 }, (_, at) => {
    return subscribe((at % 2 === 0 ? fleet.http : fleet.redis).job(job.id), random)
  })
  const whole: StreamEvent[] = []
  for await (const event of job.events()) {
    whole.push(event)
    seen.push(event.type === 'text' ? 'text' : `${event.type} ${event.attempt}`)
    if (event.type === 'text' && killedAt === 0) {
      // Its second tool runs, and what the first has said is kept.
      await expect.poll(() => linesOf(ranFile), { timeout: 20_000 }).toEqual(['once', 'again'])
      await expect.poll(() => redis.call('EXISTS', `fleet:transcript:${withTools.id}`)).toBe(1)
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
  const told = await Promise.all(subscribers)
  for (const { events } of told) expect(events).toEqual(whole)
  expect(told.reduce((sum, { resumed }) => sum + resumed, 0)).toBeGreaterThan(200)
  expect(await withTools.result()).toMatchObject({ text: 'resumed', attempt: 2, tools: { Bash: 1 } })
  expect(await linesOf(ranFile)).toEqual(['once', 'again', 'again'])
  const { attempts } = await job.get()
  expect(attempts?.map(({ attempt, worker, outcome }) => [attempt, worker, outcome])).toEqual([
    [1, 'first', 'lost'],
    [2, 'second', 'completed'],
  ])
}, 120_000)

/** Reads to the end as one whose line breaks every now and then, and who comes back with the last number it has. */
async function subscribe(job: Job, random: Random): Promise<{ events: StreamEvent[]; resumed: number }> {
  const events: StreamEvent[] = []
  for (let resumed = 0; ; resumed += 1) {
    for await (const event of job.events({ after: events.at(-1)?.seq ?? 0 })) {
      events.push(event)
      if (isEndEvent(event)) return { events, resumed }
      if (random(1) < 0.1) break
    }
  }
}

async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
}

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
