/** Memory a session may grow to before it is recycled, bytes. */
const SESSION_BYTES = 300 * 1_024 * 1_024

/**
 * Attempts a host can run at once when `FLEET_CONCURRENCY` is not set: two a core, because a session mostly waits for
 * the model, as far as half of the memory carries. At least 1.
 */
export function defaultConcurrency(cores: number, memoryBytes: number): number {
  return Math.max(1, Math.min(cores * 2, Math.floor(memoryBytes / 2 / SESSION_BYTES)))
}
