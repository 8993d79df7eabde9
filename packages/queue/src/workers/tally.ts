import { LATENCY_BOUNDS_MS } from '../admin/histogram.js'
import type { Tally } from '../types.js'

/** Counts in this process. The names are those of the fields in `{prefix}:metrics`; see admin/metrics.ts. */
export function createTally(): Tally {
  const totals = new Map<string, number>()
  const add = (field: string, amount: number) => void totals.set(field, (totals.get(field) ?? 0) + amount)
  return {
    observe(name, ms) {
      const whole = Math.max(0, Math.round(ms))
      add(`${name}:${LATENCY_BOUNDS_MS.find((bound) => whole <= bound) ?? 'inf'}`, 1)
      add(`${name}:sum`, whole)
    },
    count: (name) => add(name, 1),
    totals: () => Object.fromEntries(totals),
  }
}
