import type { Fault } from './fault.js'
import type { ModelBody } from './request.js'

/** One request the simulated model was sent. */
export interface LedgerEntry {
  /** ms since the epoch. */
  at: number
  /** `turn`: a round trip of a conversation. `side`: a probe, a count of tokens, a title, a summary. */
  kind: 'turn' | 'side'
  /** Made by a subagent of the conversation. */
  subagent: boolean
  method: string
  path: string
  /** `x-api-key`, or what follows `Bearer`. */
  key: string | undefined
  /** The header that carried the key. */
  auth: 'x-api-key' | 'bearer' | undefined
  model: string
  /** The whole system prompt, messages of that role included. */
  system: string
  /** Names of the tools offered. */
  tools: string[]
  /** Every text of the user messages, oldest first, without claude's reminders. */
  userTexts: string[]
  /** The text that the request is about. */
  prompt: string
  /** Its marks, as they stand in it. */
  marks: string[]
  stream: boolean
  body: ModelBody
  /** The request's text, as sent. */
  raw: string
  /** What a mark made go wrong with the answer. */
  fault: Fault['kind'] | undefined
  /** HTTP status of the answer; undefined while there is none. */
  status: number | undefined
  /** ms since the epoch when the answer was complete or the connection gone. */
  endedAt: number | undefined
  /** The caller went away before the answer was complete, or the simulator was closed. */
  aborted: boolean
}

/** Everything the model was asked, in order: the ground truth of what a job cost and what left the host. */
export interface Ledger {
  /** A copy of the list. The entries themselves are live: `status`, `endedAt` and `aborted` are filled in later. */
  entries(): readonly LedgerEntry[]
  /** The entries of kind `turn`. */
  turns(): readonly LedgerEntry[]
  /**
   * The first entry, also one already there, that passes; entries are looked at again when they are answered and when
   * they end. Rejects with the signal's reason when aborted.
   */
  waitFor(passes: (entry: LedgerEntry) => boolean, signal: AbortSignal): Promise<LedgerEntry>
  clear(): void
}

export interface LedgerLimits {
  entries: number
  /** Characters of `raw`, over all entries. The newest entry is kept whatever its length. */
  characters: number
}

/** Past a limit the oldest entries are dropped. */
export function createLedger(limits: LedgerLimits): Ledger & {
  add(entry: LedgerEntry): void
  changed(entry: LedgerEntry): void
} {
  let entries: LedgerEntry[] = []
  let characters = 0
  const waiters = new Set<(entry: LedgerEntry) => void>()
  const tell = (entry: LedgerEntry) => {
    for (const waiter of waiters) waiter(entry)
  }
  return {
    entries: () => [...entries],
    turns: () => entries.filter((entry) => entry.kind === 'turn'),
    clear() {
      entries = []
      characters = 0
    },
    add(entry) {
      entries.push(entry)
      characters += entry.raw.length
      while (entries.length > 1 && (entries.length > limits.entries || characters > limits.characters)) {
        characters -= entries.shift()?.raw.length ?? 0
      }
      tell(entry)
    },
    changed: tell,
    waitFor(passes, signal) {
      const { promise, resolve, reject } = withResolvers<LedgerEntry>()
      const look = (entry: LedgerEntry) => {
        try {
          if (passes(entry)) resolve(entry)
        } catch (error) {
          reject(error as Error)
        }
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
