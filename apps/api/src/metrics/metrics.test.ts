import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi } from '../server.js'
import { QUIET, startTestApi, type TestApi } from '../testing/api.js'
import { echo, hang } from '../testing/attempt.js'
import { parseExposition } from '../testing/exposition.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let api: TestApi
beforeAll(async () => {
  redis = await startTestRedis()
  api = await startTestApi(redis.url)
  await api.consume((claim) => (claim.spec.prompt === 'hang' ? hang(claim) : echo(claim)))
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await redis.stop()
})

const ROOT = join(import.meta.dirname, '../../../..')

async function scrape(url = api.service.url) {
  const reply = await fetch(`${url}/metrics`)
  expect(reply.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await reply.text()
  return { text, metrics: parseExposition(text) }
}

const endOf = (id: string) => api.ask(`/v1/jobs/${id}/result?wait=20`).then((reply) => reply.json())

test('the page is valid, counts what jobs did, and is the same at every API process and after a restart', async () => {
  const ids = [await api.enqueue('one secret-word'), await api.enqueue('two'), await api.enqueue('hang')]
  await Promise.all(ids.slice(0, 2).map(endOf))
  const hung = ids[2] ?? ''
  await expect.poll(async () => (await scrape()).text, { interval: 20 }).toContain('claude_fleet_attempts_total 3\n')
  await api.ask(`/v1/jobs/${hung}`, { method: 'DELETE' })
  await endOf(hung)

  const { text, metrics } = await scrape()
  const value = (name: string, labels = '') => metrics.get(name)?.samples.get(name + labels)
  expect(value('claude_fleet_jobs_ended_total', '{state="completed",code=""}')).toBe(2)
  expect(value('claude_fleet_jobs_ended_total', '{state="cancelled",code=""}')).toBe(1)
  expect(value('claude_fleet_jobs_ended_total', '{state="failed",code="TIMEOUT"}')).toBe(0)
  expect(value('claude_fleet_jobs', '{state="completed"}')).toBe(2)
  expect(value('claude_fleet_cost_usd_total')).toBe(0.75)
  expect(value('claude_fleet_tokens_total', '{kind="input"}')).toBe(30)
  expect(value('claude_fleet_redis_up')).toBe(1)
  expect(metrics.get('claude_fleet_queue_wait_seconds')?.samples.get('claude_fleet_queue_wait_seconds_count')).toBe(3)
  // Whoever can reach the page may read it.
  for (const secret of [...ids, 'secret-word', 'default', redis.url]) expect(text).not.toContain(secret)

  const other = await startApi({ ...api.settings, port: 0 }, { log: QUIET })
  try {
    const fleetOf = (all: typeof metrics) =>
      [...all].filter(([name]) => name.startsWith('claude_fleet_') && !/_http_|_streams_/.test(name))
    const second = await scrape(other.url)
    expect(fleetOf(second.metrics)).toEqual(fleetOf(metrics))
  } finally {
    await other.stop()
  }
})

test('open event streams are counted while they are open', async () => {
  const open = async () =>
    (await scrape()).metrics.get('claude_fleet_event_streams_open')?.samples.values().next().value
  const before = await open()
  const id = await api.enqueue('hang')
  const leave = new AbortController()
  await api.ask(`/v1/jobs/${id}/events`, { signal: leave.signal })
  expect([before, await open()]).toEqual([0, 1])
  leave.abort()
  await expect.poll(open, { interval: 20 }).toBe(0)
  await api.ask(`/v1/jobs/${id}`, { method: 'DELETE' })
})

test('every metric is documented, and the alerts and the documents name only metrics that exist', async () => {
  const { metrics } = await scrape()
  const ours = [...metrics.keys()].filter((name) => name.startsWith('claude_fleet_'))
  const docs = await readFile(join(ROOT, 'docs/metrics.md'), 'utf8')
  const alerts = await readFile(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8')
  expect(ours.filter((name) => !docs.includes(`\`${name}\``) && !docs.includes(`\`${name}{`))).toEqual([])
  for (const text of [docs, alerts]) {
    const named = [...text.matchAll(/\bclaude_fleet_[a-z_]*[a-z]/g)].map(([name]) => name)
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((name) => !ours.includes(name.replace(/_(bucket|sum|count)$/, '')))).toEqual([])
  }
})
