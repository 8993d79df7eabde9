import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, openFleet, specOf, TENANT } from '../testing/fleet.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

test('operators list and find the jobs of every tenant, page by page, newest first', async () => {
  const fleet = await openFleet(redis.url)
  try {
    const ids: string[] = []
    for (const tenant of ['acme', 'globex', 'acme', 'initech', 'globex']) {
      ids.unshift((await fleet.producer.enqueue({ tenant, spec: specOf({ prompt: `of ${tenant}` }) })).job.id)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await fleet.admin.jobs(undefined, { limit: 2, cursor })
      seen.push(...page.items.map(({ job }) => job.id))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
    expect((await fleet.admin.jobs('globex', { limit: 9 })).items.map(({ tenant }) => tenant)).toEqual([
      'globex',
      'globex',
    ])
    expect(await fleet.admin.tenants()).toEqual(['acme', 'globex', 'initech'])
    expect(await fleet.admin.findJob(ids[0] ?? '')).toMatchObject({
      tenant: 'globex',
      job: { id: ids[0], state: 'waiting' },
      spec: { prompt: 'of globex' },
    })
    expect(await fleet.admin.findJob('j_none')).toBeUndefined()
  } finally {
    await fleet.close()
  }
})

test('the last hour is told minute by minute, with what the day has cost', async () => {
  const fleet = await openFleet(redis.url)
  try {
    await fleet.consume((claim) => Promise.resolve(completed(claim)))
    const jobs = await Promise.all([fleet.enqueue(), fleet.enqueue()])
    await Promise.all(jobs.map(({ id }) => fleet.ended(id)))
    const { minutes, costTodayUsd } = await fleet.admin.history(TENANT)
    expect(minutes).toHaveLength(60)
    expect(minutes.map(({ at }) => at)).toEqual(minutes.map((_, index) => (minutes[0]?.at ?? 0) + index * 60_000))
    const recent = minutes.slice(-2)
    expect(recent.reduce((sum, minute) => sum + minute.completed, 0)).toBe(2)
    expect(recent.reduce((sum, minute) => sum + minute.costUsd, 0)).toBe(0.5)
    expect(recent.find(({ completed: count }) => count > 0)?.firstTextMs).toEqual({ p50: 20, p90: 20, p99: 20 })
    expect(minutes[0]).toMatchObject({ completed: 0, failed: 0, cancelled: 0, costUsd: 0, queueMs: undefined })
    expect(costTodayUsd).toBe(0.5)
    expect((await fleet.admin.history(undefined)).costTodayUsd).toBe(0.5)
    expect((await fleet.admin.history('nobody')).costTodayUsd).toBe(0)
  } finally {
    await fleet.close()
  }
})
