import type { HostResources } from './resources.js'

const MIB = 1_024 * 1_024
/** Memory a claude process begins with, bytes (PSS 116 to 131 MB measured with 2.1.330). */
export const SESSION_START_BYTES = 125 * MIB
/** Resident memory a claude process may grow to before it is replaced, bytes: 274 MB were measured after 80 turns. */
export const SESSION_MAX_BYTES = 300 * MIB

export interface Capacity {
  concurrency: number
  spares: number
  /** Spares that are started at one time. */
  parallelStarts: number
}

/**
 * How many processes a worker has when its settings do not say. Attempts: two a core, because a session mostly waits for
 * the model, as far as half of the free memory carries; at least 1. Spares: one a core, since a core starts one at a
 * time, as far as three quarters of the free memory carry them beside the attempts. Starts: CPU alone, so half of the
 * cores stay for what runs.
 */
export function capacityOf(
  host: Pick<HostResources, 'cores' | 'memoryFree'>,
  settings: { concurrency?: number | undefined; spares?: number | undefined },
): Capacity {
  const carries = (share: number): number => Math.floor((host.memoryFree * share) / SESSION_MAX_BYTES)
  const concurrency = settings.concurrency ?? Math.max(1, Math.min(Math.round(host.cores * 2), carries(0.5)))
  const spares =
    settings.spares ?? Math.max(0, Math.min(Math.max(1, Math.round(host.cores)), carries(0.75) - concurrency))
  return { concurrency, spares: Math.min(512, spares), parallelStarts: Math.max(1, Math.floor(host.cores / 2)) }
}
