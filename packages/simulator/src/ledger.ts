import type { ModelBody } from './request.js'

/** One request the simulated model was sent. */
export interface LedgerEntry {
  /** ms since the epoch. */
  at: number
  /** `turn`: a round trip of a conversation. `side`: a probe or a token count. */
  kind: 'turn' | 'side'
  path: string
  /** `x-api-key`, or what follows `Bearer`. */
  key: string | undefined
  prompt: string
  body: ModelBody
  /** The request's text, as sent. */
  raw: string
}

/** Everything the model was asked, in order: the ground truth of what a job cost and what left the host. */
export interface Ledger {
  entries(): readonly LedgerEntry[]
  /** The first entry, also one already there, that passes. Rejects with the signal's reason when aborted. */
  waitFor(passes: (entry: LedgerEntry) => boolean, signal: AbortSignal): Promise<LedgerEntry>
  clear(): void
}

/** Keeps at most `max` entries; older ones are dropped first. */
export function createLedger(max: number): Ledger & { add(entry: LedgerEntry): void } {
  let entries: LedgerEntry[] = []
  const waiters = new Set<(entry: LedgerEntry) => void>()
  return {
    entries: () => entries,
    clear: () => void (entries = []),
    add(entry) {
      entries.push(entry)
      if (entries.length > max) entries.shift()
      for (const waiter of waiters) waiter(entry)
    },
    waitFor(passes, signal) {
      const { promise, resolve, reject } = withResolvers<LedgerEntry>()
      const look = (entry: LedgerEntry) => {
        if (passes(entry)) resolve(entry)
      }
      const abort = () => reject(signal.reason as Error)
      entries.forEach(look)
      waiters.add(look)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort)
      return promise.finally(() => {
        waiters.delete(look)
        signal.removeEventListener('abort', abort)
      })
    },
  }
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: Error) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
