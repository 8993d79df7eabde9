import { closeSync, openSync, readSync } from 'node:fs'
import { parseSpendLog, type SpendLogEntry } from '@claude-fleet/simulator'
import { pidHere, type Witness } from './witness.js'

/** One prompt that a claude was given: the ground truth of what was paid for. */
export interface Spend {
  /** First word of the prompt: the job it belongs to. */
  tag: string
  /** Its number here, whatever namespace it is in. 0: it had gone before it could be looked at. */
  pid: number
  /** ms since the epoch. */
  at: number
  /** When its turn ended; undefined where it did not. Its process may live on, and has nothing to do with the prompt any more. */
  answeredAt?: number
  /** Tags of the earlier prompts of its conversation, as its claude knew them. */
  remembers: readonly string[]
}

/** Reads what every fake claude wrote to its log, and has the witness watch each. */
export interface Spends {
  all(): Spend[]
  of(tag: string): Spend[]
  /** Every claude that was started, also one without a prompt. */
  started(): number[]
  close(): void
}

const PERIOD_MS = 20

export function createSpends(file: string, witness: Witness): Spends {
  const known = new Map<string, number>()

  function here({ pid, space }: { pid: number; space: string }): number {
    const key = `${space} ${pid}`
    const before = known.get(key)
    if (before !== undefined) return before
    const found = pidHere(pid, space) ?? 0
    known.set(key, found)
    if (found !== 0) witness.watch(found)
    return found
  }

  const found: { entry: SpendLogEntry; pid: number }[] = []
  const prompts = new Map<string, Spend[]>()
  const latest = new Map<string, Spend>()
  let rest = ''
  let position = 0

  /** Reads what has been written since the last look. */
  function entries() {
    const descriptor = openLog(file)
    if (descriptor === undefined) return found
    try {
      const piece = Buffer.alloc(65_536)
      for (let bytes = 1; bytes > 0; position += bytes) {
        bytes = readSync(descriptor, piece, 0, piece.length, position)
        rest += piece.toString('latin1', 0, bytes)
      }
    } finally {
      closeSync(descriptor)
    }
    // A line that is just being written is read the next time.
    const end = rest.lastIndexOf('\n') + 1
    const lines = Buffer.from(rest.slice(0, end), 'latin1').toString('utf8')
    rest = rest.slice(end)
    for (const entry of parseSpendLog(lines)) {
      const pid = here(entry)
      found.push({ entry, pid })
      const key = `${entry.space} ${entry.pid}`
      const last = latest.get(key)
      if (entry.event === 'answer' && last !== undefined) last.answeredAt = entry.at
      if (entry.event !== 'prompt') continue
      const tag = entry.prompt.split(' ')[0] ?? ''
      const spend: Spend = { tag, pid, at: entry.at, remembers: entry.remembers }
      latest.set(key, spend)
      prompts.set(tag, [...(prompts.get(tag) ?? []), spend])
    }
    return found
  }

  const timer = setInterval(entries, PERIOD_MS)
  const read = () => {
    entries()
    return prompts
  }
  return {
    all: () => [...read().values()].flat(),
    of: (tag) => read().get(tag) ?? [],
    started: () => [...new Set(entries().map(({ pid }) => pid))].filter((pid) => pid !== 0),
    close: () => clearInterval(timer),
  }
}

function openLog(file: string): number | undefined {
  try {
    return openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
