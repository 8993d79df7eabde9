import { JOB_STATES, type JobState, type WorkerView } from '@claude-fleet/core'
import { listCredentials, resumeCredential } from '../admission/credentials.js'
import { parseJson } from '../jobs/seal.js'
import type { QueueDeps } from '../jobs/producer.js'
import { createKeys } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import type { Admin } from '../types.js'
import { heartbeatSchema, type Heartbeat } from '../workers/heartbeat.js'
import { readHistory } from './history.js'
import { findJob, listOf } from './jobs.js'
import { foldMetrics, type FleetMetrics } from './metrics.js'
import { countSessions, latestSessions } from './sessions.js'
import { foldStats, type MinuteCounts } from './stats.js'

const CALL_MS = 5_000
const MINUTE_MS = 60_000
const STATS_MINUTES = 60
const RIPEN_MAX = 5_000
/** A drain request that no heartbeat has read by then is void. */
const DRAIN_KEPT_MS = 60_000

/** Operators' reads and requests. Each call ends within 5 s or rejects with FleetError `UNAVAILABLE`. */
export function createAdmin({ redis, log }: QueueDeps, { prefix }: { prefix: string }): Admin {
  const client = clientOf(redis)
  const keys = createKeys(prefix)

  async function live(): Promise<{ beat: Heartbeat; lastSeen: number }[]> {
    const scored = await client.zrange(keys.workers, '0', '-1', 'WITHSCORES')
    const ids = scored.filter((_entry, at) => at % 2 === 0)
    if (ids.length === 0) return []
    const texts = await client.mget(ids.map(keys.worker))
    const found: { beat: Heartbeat; lastSeen: number }[] = []
    for (const [at, id] of ids.entries()) {
      const text = texts[at]
      if (text == null) {
        // Lapsed. Taken off by its last beat's score, so that a worker that has just come back stays.
        await client.zremrangebyscore(keys.workers, scored[2 * at + 1] ?? '0', scored[2 * at + 1] ?? '0')
        continue
      }
      const parsed = heartbeatSchema.safeParse(parseJson(text))
      if (parsed.success) found.push({ beat: parsed.data, lastSeen: Number(scored[2 * at + 1]) })
      else log.warn({ workerId: id }, 'a heartbeat could not be read')
    }
    return found
  }

  async function workers(): Promise<WorkerView[]> {
    return (await live()).map(({ beat: { instance: _instance, keepsMs: _keepsMs, ...shown }, lastSeen }) => ({
      ...shown,
      lastSeen,
    }))
  }

  async function tenantsOf(tenant: string | undefined): Promise<string[]> {
    return tenant === undefined ? client.smembers(keys.tenants) : [tenant]
  }

  async function counts(tenant: string | undefined): Promise<Record<JobState, number>> {
    await runScript(client, 'fleetRipen', keys.due, [prefix, '', RIPEN_MAX])
    const sums = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>
    const pipeline = client.pipeline()
    for (const name of await tenantsOf(tenant)) for (const state of JOB_STATES) pipeline.zcard(keys.state(name, state))
    for (const [at, [fault, count]] of ((await pipeline.exec()) ?? []).entries()) {
      if (fault !== null) throw fault
      const state = JOB_STATES[at % JOB_STATES.length]
      if (state !== undefined) sums[state] += Number(count)
    }
    return sums
  }

  /** Age of the oldest job of these tenants that could run now, ms; 0 when there is none. */
  async function oldestWaiting(tenants: readonly string[], now: number): Promise<number> {
    const pipeline = client.pipeline()
    for (const name of tenants) pipeline.zrange(keys.state(name, 'waiting'), '0', '0', 'WITHSCORES')
    let oldest = now
    for (const [fault, found] of (await pipeline.exec()) ?? []) {
      if (fault !== null) throw fault
      const score = (found as string[])[1]
      if (score !== undefined) oldest = Math.min(oldest, Number(score))
    }
    return now - oldest
  }

  async function redisNow(): Promise<number> {
    const [seconds, micros] = await client.time()
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
  }

  async function stats(tenant: string | undefined) {
    const jobs = await counts(tenant)
    const now = await redisNow()
    const minutes: MinuteCounts[] = []
    const totals: Record<string, string>[] = []
    const names = await tenantsOf(tenant)
    for (const name of names) {
      totals.push(await client.hgetall(keys.totals(name)))
      const minute = Math.floor(now / MINUTE_MS)
      const pipeline = client.pipeline()
      for (let back = 0; back < STATS_MINUTES; back += 1) pipeline.hgetall(keys.stats(name, minute - back))
      for (const [back, [fault, fields]] of ((await pipeline.exec()) ?? []).entries()) {
        if (fault !== null) throw fault
        minutes.push({ back, fields: fields as Record<string, string> })
      }
    }
    const { pool } = foldMetrics(await client.hgetall(keys.metrics), {})
    const elapsedShare = (now % MINUTE_MS) / MINUTE_MS
    return { jobs, oldestWaitingMs: await oldestWaiting(names, now), pool, ...foldStats(minutes, totals, elapsedShare) }
  }

  async function history(tenant: string | undefined) {
    return readHistory(client, keys, await tenantsOf(tenant), { now: await redisNow(), count: STATS_MINUTES })
  }

  /** One at a time, however many ask: `/metrics` needs no key. */
  let scraping: Promise<FleetMetrics> | undefined
  async function metrics(): Promise<FleetMetrics> {
    const [sums, counters, names, now] = await Promise.all([
      client.hgetall(keys.metrics),
      client.hgetall(keys.counters),
      tenantsOf(undefined),
      redisNow(),
    ])
    const [jobs, oldestWaitingMs, listed, known, unfitJobs] = await Promise.all([
      counts(undefined),
      oldestWaiting(names, now),
      workers(),
      credentials(),
      countUnfit(),
    ])
    return { ...foldMetrics(sums, counters), jobs, oldestWaitingMs, workers: listed, credentials: known, unfitJobs }
  }

  async function countUnfit(): Promise<number> {
    const needs = await client.smembers(keys.fits)
    const held = await Promise.all(needs.map((need) => client.zcard(keys.fitHeld(need))))
    return held.reduce((sum, count) => sum + count, 0)
  }

  const credentials = async () => listCredentials({ client, keys }, await redisNow())

  async function drainWorker(workerId: string): Promise<boolean> {
    const text = await client.get(keys.worker(workerId))
    const parsed = heartbeatSchema.safeParse(parseJson(text ?? undefined))
    if (!parsed.success) return false
    await client.set(keys.drain(workerId), parsed.data.instance, 'PX', DRAIN_KEPT_MS)
    await client.publish(keys.control, JSON.stringify({ type: 'drain', worker: workerId }))
    return true
  }

  const call = <T>(work: Promise<T>) => within(CALL_MS, work, 'Redis did not answer')
  return {
    workers: () => call(workers()),
    stats: (tenant) => call(stats(tenant)),
    countsByState: (tenant) => call(counts(tenant)),
    history: (tenant) => call(history(tenant)),
    metrics: () => (scraping ??= call(metrics()).finally(() => (scraping = undefined))),
    tenants: () => call(tenantsOf(undefined).then((names) => names.sort())),
    findJob: (id) => call(findJob(client, keys, id)),
    jobs: (tenant, query) => call(tenantsOf(tenant).then((names) => listOf(client, keys, names, query))),
    sessionCounts: () => call(countSessions(client, keys)),
    sessions: (limit) => call(latestSessions(client, keys, limit)),
    drainWorker: (workerId) => call(drainWorker(workerId)),
    credentials: () => call(credentials()),
    resumeCredential: (name) => call(resumeCredential({ client, keys }, name)),
    close: async () => undefined,
  }
}
