import { isEndEvent, type StreamEvent } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { parseSeal } from '../jobs/seal.js'
import { within } from '../redis/deadline.js'
import type { ParseEvents } from './parse.js'

const CALL_MS = 5_000
/** A page is as many entries as make about so much, so that many readers of long logs are in memory together. */
const PAGE_CHARS = 262_144
const FIRST_PAGE_ENTRIES = 16
const PAGE_ENTRIES_MAX = 1_024

export interface Replay {
  /**
   * Every event after `position` that had been appended when the call began, or a `gap` in its place. A sealed job's
   * end event comes last, unless the reader had it when it first asked for what follows `after`.
   */
  from(id: string, position: number, after: number): AsyncGenerator<StreamEvent>
  /** Can more events follow? Not when the job has ended or its record is gone. */
  isOpen(id: string): Promise<boolean>
}

/** Reads logs page by page, so that a long one is never in memory whole. */
export function createReplay(client: Redis, keys: Keys, parseEvents: ParseEvents): Replay {
  async function* stored(id: string, after: number): AsyncGenerator<StreamEvent> {
    // An entry's id is the seq of its last event, so the first entry at or above this one holds the next event.
    let count = FIRST_PAGE_ENTRIES
    for (let start = `${after + 1}-0`; ;) {
      const reading = client.xrange(keys.log(id), start, '+', 'COUNT', count)
      const page = await within(CALL_MS, reading, 'Redis did not answer')
      let chars = 0
      for (const [, fields] of page) {
        chars += fields[1]?.length ?? 0
        yield* parseEvents(fields[1] ?? '')
      }
      const last = page[page.length - 1]
      if (last === undefined || page.length < count) return
      start = `(${last[0]}`
      count = Math.max(1, Math.min(PAGE_ENTRIES_MAX, 4 * count, Math.floor((page.length * PAGE_CHARS) / (chars + 1))))
    }
  }

  return {
    async *from(id, position, after) {
      // Read before the log: all that the record counts is in the log or was cut from it.
      const reading = client.hmget(keys.job(id), 'seq', 'seal', 'attempt')
      const [seq, seal, attempt] = await within(CALL_MS, reading, 'Redis did not answer')
      const gap = (from: number, to: number): StreamEvent => {
        return { jobId: id, attempt: Number(attempt ?? 0), seq: to, ts: Date.now(), type: 'gap', from, to }
      }
      let last = position
      for await (const event of stored(id, position)) {
        if (event.seq <= last || event.jobId !== id) continue
        if (event.seq > last + 1) yield gap(last + 1, event.seq - 1)
        yield event
        last = event.seq
        if (isEndEvent(event)) return
      }
      const end = seal == null ? undefined : parseSeal(seal)
      const counted = end === undefined ? Number(seq ?? 0) : end.seq - 1
      if (counted > last) yield gap(last + 1, counted)
      // A sealed job ends every stream, even one whose log is gone or whose reader is ahead of a Redis that went back.
      if (end !== undefined && end.seq > after) yield end
    },
    async isOpen(id) {
      const reading = client.hmget(keys.job(id), 'tenant', 'seal')
      const [tenant, seal] = await within(CALL_MS, reading, 'Redis did not answer')
      return tenant != null && seal == null
    },
  }
}
