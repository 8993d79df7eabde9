/** Counts how long another process has been silent, in time in which this one could have heard it. */
export interface Patience {
  /** It was heard. */
  renew(): void
  /** To be called every `tickMs`. True from the moment the patience has ended until it is renewed. */
  tick(): boolean
}

/**
 * A patience of `silenceMs`. The clock is the system's monotonic one, and a gap between two ticks counts as `maxGapMs` at
 * most: when this process was itself stopped, with the machine or its container, the other one has not been silent, it
 * has been stopped too, and has the rest of its time after they go on.
 */
export function createPatience(options: { silenceMs: number; maxGapMs: number; now?: () => number }): Patience {
  const now = options.now ?? (() => performance.now())
  let last = now()
  let silentMs = 0
  return {
    renew() {
      silentMs = 0
    },
    tick() {
      const at = now()
      silentMs += Math.min(at - last, options.maxGapMs)
      last = at
      return silentMs >= options.silenceMs
    },
  }
}
