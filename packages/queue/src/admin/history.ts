import { END_STATES } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import type { FleetHistory, HistoryMinute, LatencyQuantiles } from '../types.js'
import { LATENCY_BOUNDS_MS, quantile } from './histogram.js'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

type Fields = Readonly<Record<string, string>>

/** The last `count` minutes of these tenants together, oldest first, and what the day (UTC, Redis's clock) has cost. */
export async function readHistory(
  client: Redis,
  keys: Keys,
  tenants: readonly string[],
  { now, count }: { now: number; count: number },
): Promise<FleetHistory> {
  const current = Math.floor(now / MINUTE_MS)
  const numbers = Array.from({ length: count }, (_, at) => current - count + 1 + at)
  const pipeline = client.pipeline()
  for (const tenant of tenants) {
    for (const number of numbers) pipeline.hgetall(keys.stats(tenant, number))
    pipeline.get(keys.spent(tenant, Math.floor(now / DAY_MS)))
  }
  const replies = (await pipeline.exec()) ?? []
  const fault = replies.find(([error]) => error !== null)?.[0]
  if (fault != null) throw fault
  // One row a tenant: its minutes, then its day.
  const rows = tenants.map((_tenant, at) => replies.slice(at * (count + 1), (at + 1) * (count + 1)))
  return {
    minutes: numbers.map((number, at) =>
      minuteOf(
        number * MINUTE_MS,
        rows.map((row) => row[at]?.[1] as Fields),
      ),
    ),
    costTodayUsd: rows.reduce((sum, row) => sum + Number(row[count]?.[1] ?? 0), 0),
  }
}

function minuteOf(at: number, tenants: readonly Fields[]): HistoryMinute {
  const sum = (field: string) => tenants.reduce((all, fields) => all + Number(fields[field] ?? 0), 0)
  const quantiles = (name: string): LatencyQuantiles | undefined => {
    const counts = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, (_, bucket) => sum(`${name}:${bucket}`))
    if (counts.every((count) => count === 0)) return undefined
    return { p50: quantile(counts, 0.5), p90: quantile(counts, 0.9), p99: quantile(counts, 0.99) }
  }
  const [completed, failed, cancelled] = END_STATES.map(sum)
  return {
    at,
    completed: completed ?? 0,
    failed: failed ?? 0,
    cancelled: cancelled ?? 0,
    costUsd: sum('costUsd'),
    queueMs: quantiles('q'),
    firstTextMs: quantiles('f'),
    totalMs: quantiles('t'),
  }
}
