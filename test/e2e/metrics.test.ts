import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, startNode } from '../support/service.js'

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
})
afterAll(() => fleet[Symbol.asyncDispose]())

/** The fleet's own samples: value by name and labels. What belongs to one API process is left out. */
async function scrape(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const samples = [...text.matchAll(/^(claude_fleet_\S+) (\S+)$/gm)].map(([, name = '', value]) => [
    name,
    Number(value),
  ])
  return Object.fromEntries(samples.filter(([name]) => !/_http_|_streams_|oldest_waiting/.test(String(name))))
}

const destroyed = (all: Record<string, number>) =>
  Object.entries(all).reduce((sum, [name, value]) => sum + (/processes_destroyed_total/.test(name) ? value : 0), 0)

const counters = (all: Record<string, number>) =>
  Object.fromEntries(Object.entries(all).filter(([name]) => /_(total|count|sum|bucket)(\{|$)/.test(name)))

test('what real jobs do is counted once, alike at every API, and neither a killed worker nor a new API lowers it', async () => {
  const file = join(fleet.workspaceRoot, '..', 'credentials.json')
  const env = { ANTHROPIC_BASE_URL: fleet.model.url, CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat-for-tests' }
  await writeFile(file, JSON.stringify({ subscription: { env } }))
  const worker = await fleet.worker('counted', {
    FLEET_CREDENTIALS_FILE: file,
    FLEET_CONCURRENCY: '3',
    // One process an attempt, so that each number is known.
    FLEET_SPARES: '0',
    FLEET_SESSION_IDLE_MS: '0',
  })

  const backoff = { type: 'fixed', delayMs: 100, jitter: 0 } as const
  const jobs = await Promise.all([
    fleet.http.enqueue({ prompt: 'one' }),
    fleet.http.enqueue({ prompt: '[[status:400]] wrong' }),
    fleet.http.enqueue({ prompt: '[[status-once:529,3]] busy', backoff }),
    fleet.http.enqueue({ prompt: '[[usage-limit-once:1]] limited', credential: 'subscription' }),
    fleet.http.enqueue({ prompt: '[[slow:400,100]] long' }),
  ])
  const [, , , , long] = jobs
  await fleet.model.ledger.waitFor((entry) => entry.prompt.includes('long'), AbortSignal.timeout(60_000))
  await long?.cancel()
  const ends = await Promise.all(jobs.map(async (job) => job.result().then(() => 'completed', String)))
  expect(ends.filter((end) => end === 'completed')).toHaveLength(3)

  // What the worker measured by itself comes with its next heartbeat.
  await expect.poll(async () => destroyed(await scrape(fleet.url)), { timeout: 20_000 }).toBe(7)
  const seen = await scrape(fleet.url)
  expect(seen).toMatchObject({
    'claude_fleet_jobs_ended_total{state="completed",code=""}': 3,
    'claude_fleet_jobs_ended_total{state="cancelled",code=""}': 1,
    'claude_fleet_jobs_ended_total{state="failed",code="INVALID_REQUEST"}': 1,
    'claude_fleet_retries_total{code="OVERLOADED"}': 1,
    'claude_fleet_parked_total{code="USAGE_LIMIT"}': 1,
    claude_fleet_attempts_total: 7,
    'claude_fleet_starts_total{kind="cold"}': 7,
    claude_fleet_spawn_seconds_count: 7,
    claude_fleet_acquire_seconds_count: 7,
    claude_fleet_queue_wait_seconds_count: 5,
    claude_fleet_first_text_seconds_count: 3,
    claude_fleet_job_duration_seconds_count: 5,
    'claude_fleet_worker_limit{worker="counted"}': 3,
    'claude_fleet_jobs{state="completed"}': 3,
  })
  expect(seen['claude_fleet_cost_usd_total']).toBeGreaterThan(0)

  const sha256 = createHash('sha256').update(fleet.key).digest('hex')
  await using other = startNode([CLAUDE_FLEET, 'api'], {
    env: { REDIS_URL: fleet.redisUrl, FLEET_API_PORT: '0', FLEET_API_KEYS: `${TEST_TENANT}:${sha256}` },
  })
  const url = await other.message((message) => (message as { url?: string }).url)
  expect(await scrape(url)).toEqual(seen)

  const stats = await fleet.http.stats()
  worker.signal('SIGKILL')
  await worker.ended
  await expect.poll(async () => (await scrape(url))['claude_fleet_workers'], { timeout: 30_000, interval: 500 }).toBe(0)
  expect(counters(await scrape(url))).toEqual(counters(seen))
  const after = await fleet.http.stats()
  expect(after.pool).toEqual(stats.pool)
  expect(after).toMatchObject({
    pool: { cold: 7, created: 7, destroyed: 7 },
    costUsd: seen['claude_fleet_cost_usd_total'],
  })
})
