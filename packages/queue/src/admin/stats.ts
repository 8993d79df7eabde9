import { END_STATES, type Stats } from '@claude-fleet/core'
import { LATENCY_BOUNDS_MS, quantile } from './histogram.js'

/** What the settling scripts counted in one minute of one tenant. `back`: minutes before the current one. */
export interface MinuteCounts {
  back: number
  fields: Readonly<Record<string, string>>
}

/**
 * Sums minutes and totals over tenants. `elapsedShare` is how much of the current minute has passed, 0 to 1: the last
 * minute is the current one and the rest of the one before.
 */
export function foldStats(
  minutes: readonly MinuteCounts[],
  totals: readonly Readonly<Record<string, string>>[],
  elapsedShare: number,
): Pick<Stats, 'throughput' | 'latencyMs' | 'costUsd' | 'tokens' | 'tools'> {
  const latency = (name: string) => {
    const counts = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, (_, at) => sum(minutes, `${name}:${at}`))
    return { p50: quantile(counts, 0.5), p90: quantile(counts, 0.9), p99: quantile(counts, 0.99) }
  }
  const ended = (of: readonly MinuteCounts[]) => END_STATES.reduce((all, state) => all + sum(of, state), 0)
  const at = (back: number) => ended(minutes.filter((minute) => minute.back === back))
  const total = (name: string) => totals.reduce((all, fields) => all + Number(fields[name] ?? 0), 0)
  return {
    throughput: { lastMinute: at(0) + Math.round(at(1) * (1 - elapsedShare)), lastHour: ended(minutes) },
    latencyMs: { queue: latency('q'), firstText: latency('f'), total: latency('t') },
    costUsd: total('costUsd'),
    tokens: {
      inputTokens: total('inputTokens'),
      outputTokens: total('outputTokens'),
      cacheReadTokens: total('cacheReadTokens'),
      cacheCreationTokens: total('cacheCreationTokens'),
    },
    tools: toolTotals(totals),
  }
}

function sum(minutes: readonly MinuteCounts[], name: string): number {
  return minutes.reduce((all, { fields }) => all + Number(fields[name] ?? 0), 0)
}

const TOOL_PREFIX = 'tool:'

function toolTotals(totals: readonly Readonly<Record<string, string>>[]): Record<string, number> {
  const tools = new Map<string, number>()
  for (const fields of totals) {
    for (const [field, times] of Object.entries(fields)) {
      if (!field.startsWith(TOOL_PREFIX)) continue
      const name = field.slice(TOOL_PREFIX.length)
      tools.set(name, (tools.get(name) ?? 0) + Number(times))
    }
  }
  return Object.fromEntries(tools)
}
