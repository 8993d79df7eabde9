/** Upper bounds of the latency buckets, ms. What is above the last falls into one more bucket. */
export const LATENCY_BOUNDS_MS = [
  5, 10, 20, 50, 100, 200, 350, 500, 750, 1_000, 1_500, 2_000, 3_500, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000,
  60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000,
] as const

/** The bound under which a share `q` (0 to 1) of the counted values lies, ms; 0 when nothing was counted. */
export function quantile(counts: readonly number[], q: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return 0
  let seen = 0
  for (const [index, count] of counts.entries()) {
    seen += count
    if (seen >= q * total) return LATENCY_BOUNDS_MS[index] ?? LAST_BOUND_MS
  }
  return LAST_BOUND_MS
}

const LAST_BOUND_MS = LATENCY_BOUNDS_MS[LATENCY_BOUNDS_MS.length - 1] ?? 0
