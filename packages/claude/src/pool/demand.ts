import type { SessionSpec } from '../types.js'

/** Which specs were leased of late, and how often: what spares are worth keeping for. */
export interface Demand {
  /** A lease of `key` was given. */
  used(key: string, spec: SessionSpec): void
  /** A process that was started ahead for `key` did not start, or died unused: the next is started later. */
  failed(key: string): void
  /** One that was started ahead for `key` is ready. */
  started(key: string): void
  /** Used more than once. Others get a spare only where nobody else needs the place. */
  isSteady(key: string): boolean
  /**
   * The key that is to get the next spare, given how many each has; `inMs` is how long its last failure still holds it
   * back, ms. Every key gets its first before any gets a second; steady ones go first, then the latest used. Where many
   * keys are used once, as when each job has an environment of its own, those get none: it would be thrown away.
   */
  next(countOf: (key: string) => number, most: number): { key: string; spec: SessionSpec; inMs: number } | undefined
  /** A steady key that has no spare. */
  lacking(countOf: (key: string) => number): boolean
  /** None can be kept for `key`. */
  forget(key: string): void
  clear(): void
}

interface Use {
  spec: SessionSpec
  at: number
  times: number
  failures: number
  notBefore: number
}

const BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 60_000

/** Remembers at most `most` keys, each for `memoryMs` after its last use. A spec holds secrets: it is kept no longer. */
export function createDemand(memoryMs: number, most: number, now: () => number): Demand {
  // In the order of their last use, the oldest first.
  const uses = new Map<string, Use>()

  function forget(): void {
    for (const [key, use] of uses) {
      if (uses.size <= most && now() - use.at < memoryMs) return
      uses.delete(key)
    }
  }

  function inOrder(): [string, Use][] {
    forget()
    const latestFirst = [...uses].toReversed()
    const isSteady = ([, { times }]: [string, Use]): boolean => times > 1
    return [...latestFirst.filter(isSteady), ...latestFirst.filter((entry) => !isSteady(entry))]
  }

  return {
    used(key, spec) {
      const times = (uses.get(key)?.times ?? 0) + 1
      const { failures, notBefore } = uses.get(key) ?? { failures: 0, notBefore: 0 }
      uses.delete(key)
      uses.set(key, { spec, at: now(), times, failures, notBefore })
      forget()
    },
    failed(key) {
      const use = uses.get(key)
      if (use === undefined) return
      use.failures += 1
      use.notBefore = now() + Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (use.failures - 1))
    },
    started(key) {
      const use = uses.get(key)
      if (use !== undefined) use.failures = 0
    },
    isSteady: (key) => (uses.get(key)?.times ?? 0) > 1,
    next(countOf, each) {
      const single = inOrder().filter(([, use]) => use.times === 1).length
      const least = single > each ? 2 : 1
      let soonest: { key: string; spec: SessionSpec; inMs: number } | undefined
      for (let round = 0; round < each; round += 1) {
        for (const [key, use] of inOrder()) {
          if (countOf(key) > round || use.times < Math.max(least, Math.min(round + 1, 2))) continue
          const inMs = Math.max(0, use.notBefore - now())
          if (inMs === 0) return { key, spec: use.spec, inMs }
          if (soonest === undefined || inMs < soonest.inMs) soonest = { key, spec: use.spec, inMs }
        }
      }
      return soonest
    },
    lacking: (countOf) => inOrder().some(([key, use]) => use.times > 1 && countOf(key) === 0 && use.notBefore <= now()),
    forget: (key) => void uses.delete(key),
    clear: () => uses.clear(),
  }
}
