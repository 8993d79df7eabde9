import { FleetError, isEndEvent, type JobView, type StreamEvent } from '@claude-fleet/core'
import { createKeys } from '../keys.js'
import type { QueueDeps } from '../jobs/producer.js'
import { readView } from '../jobs/view.js'
import { clientOf, subscriptionsOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import type { EventReader } from '../types.js'
import { createMailboxes, type Mailbox } from './mailbox.js'
import { createEventParser } from './parse.js'
import { createReplay } from './replay.js'

const CALL_MS = 5_000
/** A message lost between Redis and here leaves nobody hanging longer than this. */
const CHECK_MS = 3_000

/** Reads event streams: what the log holds first, then what is published, joined by sequence number. */
export function createEventReader({ redis, log }: QueueDeps, { prefix }: { prefix: string }): EventReader {
  const client = clientOf(redis)
  const subscriptions = subscriptionsOf(redis)
  const keys = createKeys(prefix)
  /** Ends of the streams in progress, so that closing the reader ends them. */
  const ends = new Set<() => void>()
  const parseEvents = createEventParser(log)
  const replay = createReplay(client, keys, parseEvents)
  const openMailbox = createMailboxes()

  async function view(tenant: string, id: string): Promise<JobView | undefined> {
    return within(CALL_MS, readView(client, keys, tenant, id), 'Redis did not answer')
  }

  async function mustExist(tenant: string, id: string): Promise<void> {
    const owner = await within(CALL_MS, client.hget(keys.job(id), 'tenant'), 'Redis did not answer')
    if (owner !== tenant) throw new FleetError('NOT_FOUND', 'there is no such job', { jobId: id })
  }

  async function* events(tenant: string, id: string, options: { after: number; signal: AbortSignal }) {
    await mustExist(tenant, id)
    const mailbox = openMailbox()
    // Subscribed before the log is read: what is published meanwhile waits in the mailbox, and nothing falls between.
    const listening = subscriptions.listen(keys.events(id), mailbox)
    const stop = await within(CALL_MS, listening, 'Redis did not answer').catch((cause: unknown) => {
      mailbox.close()
      // It may still be confirmed later, when nobody wants it any more.
      listening.then(
        (late) => late(),
        () => undefined,
      )
      throw cause
    })
    const { signal, release } = endable(options.signal)
    try {
      yield* follow(id, options.after, mailbox, signal)
    } finally {
      release()
      stop()
      mailbox.close()
    }
  }

  /** Invariant: `position` is the last sequence number that was yielded, or declared lost by a `gap`. */
  async function* follow(
    id: string,
    after: number,
    mailbox: Mailbox,
    signal: AbortSignal,
  ): AsyncGenerator<StreamEvent> {
    let position = after
    let behind = true
    while (!signal.aborted) {
      if (behind) {
        behind = false
        let open = true
        try {
          for await (const event of replay.from(id, position, after)) {
            if (signal.aborted) return
            yield event
            position = event.seq
            if (isEndEvent(event)) return
          }
          open = await replay.isOpen(id)
        } catch (err) {
          // Redis is away. Nothing was skipped; the next check goes on from the same position.
          log.debug({ err, jobId: id }, 'the log could not be read')
        }
        if (!open) {
          // It may have ended after the log was read: one more reading has the end, and then there is nothing left.
          for await (const event of replay.from(id, position, after)) yield event
          return
        }
      }
      const mail = await mailbox.next(CHECK_MS, signal)
      if (mail === 'check') behind = true
      for (const event of mail === 'check' ? [] : parseEvents(mail)) {
        if (event.seq <= position || event.jobId !== id) continue
        if (event.seq !== position + 1) {
          behind = true
          break
        }
        if (signal.aborted) return
        yield event
        position = event.seq
        if (isEndEvent(event)) return
      }
    }
  }

  async function waitForEnd(tenant: string, id: string, options: { waitMs: number; signal: AbortSignal }) {
    const found = await view(tenant, id)
    if (found === undefined || found.finishedAt !== undefined || options.waitMs <= 0) return found
    const { signal, release, end } = endable(options.signal)
    const timer = setTimeout(end, options.waitMs)
    try {
      // The stream's own end, not a poll, says when to look. Its last event is read even if it came before this line.
      const position = Number((await within(CALL_MS, client.hget(keys.job(id), 'seq'), 'Redis did not answer')) ?? 0)
      for await (const event of events(tenant, id, { after: Math.max(0, position - 1), signal })) {
        if (isEndEvent(event)) break
      }
    } catch (cause) {
      if (!signal.aborted) throw cause
    } finally {
      clearTimeout(timer)
      release()
    }
    return view(tenant, id)
  }

  /** A signal of one stream: aborts with the caller's, or when the reader closes. */
  function endable(outer: AbortSignal): { signal: AbortSignal; end: () => void; release: () => void } {
    const own = new AbortController()
    const end = () => own.abort()
    if (outer.aborted) end()
    outer.addEventListener('abort', end, { once: true })
    ends.add(end)
    const release = () => {
      outer.removeEventListener('abort', end)
      ends.delete(end)
    }
    return { signal: own.signal, end, release }
  }

  return { events, waitForEnd, close: async () => ends.forEach((end) => end()) }
}
