import { LIMITS, utf8Bytes } from '@claude-fleet/core'
import type { InputJob } from './input.js'
import type { Journal } from './journal.js'

/** Lines that are sent in one call, under one idempotency key. */
export interface Chunk {
  /** Lines of the input and their number: no two chunks of a batch that differ have the same. */
  key: string
  jobs: readonly InputJob[]
}

/** What becomes of a line: its job is known, it is part of a chunk, or it has ended. */
export type Step = { type: 'known'; job: InputJob; id: string } | { type: 'chunk'; chunk: Chunk; isNew: boolean }

/** Proxies refuse a body of over 1 MiB unless they are told otherwise. */
const CHUNK_BYTES = 900 * 1_024

/**
 * The steps of an input, in its order. A chunk that was sent without an answer comes again as it was, whole; what was
 * never sent is put into new ones of `size` lines at most.
 */
export async function* stepsOf(
  jobs: AsyncIterable<InputJob>,
  { journal, done, size }: { journal: Journal; done: ReadonlySet<number>; size: number },
): AsyncGenerator<Step> {
  const open = new Map([...journal.open].flatMap(([key, { lines }]) => lines.map((line) => [line, key] as const)))
  const gathered = new Map<string, InputJob[]>()
  let fresh: InputJob[] = []
  let freshBytes = 0
  for await (const job of jobs) {
    const key = open.get(job.line)
    if (key !== undefined) {
      const part = [...(gathered.get(key) ?? []), job]
      gathered.set(key, part)
      if (part.length < (journal.open.get(key)?.lines.length ?? 0)) continue
      gathered.delete(key)
      yield { type: 'chunk', chunk: { key, jobs: part }, isNew: false }
      continue
    }
    if (done.has(job.line)) continue
    const id = journal.ids.get(job.line)
    if (id !== undefined) {
      yield { type: 'known', job, id }
      continue
    }
    const bytes = utf8Bytes(JSON.stringify(job.input))
    if (fresh.length > 0 && freshBytes + bytes > CHUNK_BYTES) {
      yield { type: 'chunk', chunk: chunkOf(fresh), isNew: true }
      fresh = []
      freshBytes = 0
    }
    fresh.push(job)
    freshBytes += bytes
    if (fresh.length < Math.min(size, LIMITS.batchJobs)) continue
    yield { type: 'chunk', chunk: chunkOf(fresh), isNew: true }
    fresh = []
    freshBytes = 0
  }
  if (fresh.length > 0) yield { type: 'chunk', chunk: chunkOf(fresh), isNew: true }
}

/** A chunk of these lines. */
export function chunkOf(jobs: readonly InputJob[]): Chunk {
  return { key: `${jobs[0]?.line ?? 0}-${jobs.length}`, jobs }
}
