import type { ProcessEndReason, StartKind } from '@claude-fleet/core'
import type { PoolStats } from '../types.js'

/** What a pool has done since it was made. */
export interface Counters {
  created(): void
  leased(start: StartKind): void
  destroyed(reason: ProcessEndReason): void
  totals(): Omit<PoolStats, 'leased' | 'spares' | 'idle' | 'waiting'>
}

export function createCounters(): Counters {
  let created = 0
  const starts: Record<StartKind, number> = { reused: 0, spare: 0, cold: 0 }
  const reasons: Partial<Record<ProcessEndReason, number>> = {}
  return {
    created: () => void (created += 1),
    leased: (start) => void (starts[start] += 1),
    destroyed: (reason) => void (reasons[reason] = (reasons[reason] ?? 0) + 1),
    totals: () => ({
      created,
      ...starts,
      destroyed: Object.values(reasons).reduce((sum, count) => sum + count, 0),
      destroyedBy: { ...reasons },
    }),
  }
}
