import { NO_USAGE, type EventBody, type FleetEvent, type Usage } from '@claude-fleet/core'
import { pause } from '../redis/deadline.js'
import type { Log } from '../types.js'

/** Deltas gather into one event, and events into one batch, for so many ms and up to so many characters. */
const GATHER = { windowMs: 25, chars: 32_768 }
const BATCH_CHARS = 262_144
/** Above this much unsent text a caller of `drained()` waits. */
const BOUND_CHARS = 1_048_576
/** Sent events kept to be sent again, should Redis come back without them. */
const RING_CHARS = 1_048_576
const RING_EVENTS = 2_048
const MAX_BACKOFF_MS = 2_000

/** What an attempt has spent so far, absolute. */
export interface Spend {
  costUsd: number
  usage: Usage
  tools: Readonly<Record<string, number>>
}

/** `last` below `first`: there are no events. */
export interface Batch {
  first: number
  last: number
  json: string
  force: boolean
  spend: Spend | undefined
}

export interface WriterDeps {
  /** Sends one batch; the answer of the `append` script. */
  send(batch: Batch): Promise<string[]>
  onFenced(): void
  onCancel(reason: string): void
  /** The tenant has spent what it may spend in a day. */
  onBroke(): void
  log: Log
}

export interface WriterOptions {
  jobId: string
  attempt: number
  /** The last sequence number in the log. */
  seq: number
  /** Default: 25 ms, 32,768 characters. */
  gather?: { windowMs: number; chars: number } | undefined
}

/** Gives the events of one attempt their place and brings them to Redis in order, one batch at a time. */
export interface EventWriter {
  write(body: EventBody): void
  /** Goes with the next batch, or alone when there is none. Tools are counted from the events. */
  spent(spend: Pick<Spend, 'costUsd' | 'usage'>): void
  /** What was spent as far as the writer was told. */
  spend(): Spend
  drained(): Promise<void>
  /** Resolves when all that was written is in the log, or the writer is closed. */
  flushed(): Promise<void>
  /** The event that would come next. It is not sent: the settling script appends it. */
  next(body: EventBody): FleetEvent
  /** Sent events after `seq`, or undefined when that far back is no longer held. */
  sentAfter(seq: number): FleetEvent[] | undefined
  /** Sends nothing more. */
  close(): void
}

/** Invariant: `ring`, the batch in flight and `pending` hold consecutive sequence numbers up to `seq`. */
export function createWriter(deps: WriterDeps, options: WriterOptions): EventWriter {
  const { windowMs, chars: deltaChars } = options.gather ?? GATHER
  const closing = new AbortController()
  const pending: FleetEvent[] = []
  const ring: FleetEvent[] = []
  let seq = options.seq
  let unsentChars = 0
  let ringChars = 0
  let pumping = false
  let skipWindow: (() => void) | undefined
  let hurried = false
  let sentAt = -Infinity
  /** The last batch had a piece of an answer in it, so the next piece is not the first that a reader waits for. */
  let flowing = false
  const waiters: { until: () => boolean; resolve: () => void }[] = []

  const place = (body: EventBody, at: number): FleetEvent => {
    return { jobId: options.jobId, attempt: options.attempt, seq: at, ts: Date.now(), ...body }
  }

  const tools: Record<string, number> = Object.create(null) as Record<string, number>
  let known: Pick<Spend, 'costUsd' | 'usage'> = { costUsd: 0, usage: NO_USAGE }
  let spendChanged = false
  const spend = (): Spend => ({ ...known, tools: { ...tools } })

  function spent(now: Pick<Spend, 'costUsd' | 'usage'>): void {
    if (closing.signal.aborted) return
    known = { costUsd: now.costUsd, usage: now.usage }
    spendChanged = true
    if (!pumping) void pump()
  }

  function write(body: EventBody): void {
    if (closing.signal.aborted) return
    if (isDelta(body) && body.text.length > deltaChars) {
      for (const text of pieces(body.text, deltaChars)) write({ type: body.type, text })
      return
    }
    if (body.type === 'tool_use') {
      tools[body.name] = (tools[body.name] ?? 0) + 1
      spendChanged = true
    }
    const chars = sizeOf(body)
    unsentChars += chars
    const tail = pending[pending.length - 1]
    // An event that waits is not yet anybody's: a delta of the same kind may still grow it.
    if (tail !== undefined && isDelta(tail) && tail.type === body.type && tail.text.length + chars <= deltaChars) {
      tail.text += (body as { text: string }).text
    } else {
      seq += 1
      pending.push(place(body, seq))
    }
    if (!flowing && isDelta(body)) skipWindow?.()
    if (!pumping) void pump()
  }

  /** The only sender; never two at once, so nothing can overtake. */
  async function pump(): Promise<void> {
    pumping = true
    while ((pending.length > 0 || spendChanged) && !closing.signal.aborted) {
      await window()
      if (closing.signal.aborted) break
      const batch = takeBatch()
      sentAt = performance.now()
      if (batch.length > 0) flowing = batch.some(isDelta)
      await deliver(batch)
      for (const event of batch) {
        const chars = sizeOf(event)
        unsentChars -= chars
        ringChars += chars
        ring.push(event)
      }
      while (ring.length > RING_EVENTS || ringChars > RING_CHARS) {
        const oldest = ring.shift()
        if (oldest === undefined) break
        ringChars -= sizeOf(oldest)
      }
      wake()
    }
    pumping = false
    hurried = false
    wake()
  }

  /** Lets events gather since the last batch, unless somebody waits for the end or for the first piece of an answer. */
  function window(): Promise<void> {
    const waitMs = sentAt + windowMs - performance.now()
    if (waitMs <= 0 || hurried || (!flowing && pending.some(isDelta))) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      skipWindow = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function takeBatch(): FleetEvent[] {
    let chars = 0
    let count = 0
    for (const event of pending) {
      chars += sizeOf(event)
      if (count > 0 && chars > BATCH_CHARS) break
      count += 1
    }
    return pending.splice(0, count)
  }

  async function deliver(batch: readonly FleetEvent[]): Promise<void> {
    let events = batch
    let force = false
    const paid = spendChanged ? spend() : undefined
    spendChanged = false
    for (let backoffMs = 100; !closing.signal.aborted; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
      const first = events[0]?.seq ?? 1
      const last = events[events.length - 1]?.seq ?? 0
      let answer: string[]
      try {
        answer = await deps.send({ first, last, json: JSON.stringify(events), force, spend: paid })
      } catch (err) {
        deps.log.debug({ err, jobId: options.jobId }, 'events could not be written; trying again')
        await pause(backoffMs, closing.signal)
        continue
      }
      const [word, detail = '', cancel = '', broke = ''] = answer
      if (word === 'hole') {
        // Redis came back without its last moments. What the ring no longer holds is lost, and readers see a gap.
        const missing = sentAfter(Number(detail))
        events = [...(missing ?? []), ...batch]
        force = missing === undefined
        continue
      }
      if (word === 'ok' && broke !== '') deps.onBroke()
      if (word === 'ok' && cancel !== '') deps.onCancel(cancel)
      if (word !== 'ok') {
        closing.abort()
        deps.onFenced()
      }
      return
    }
  }

  function sentAfter(at: number): FleetEvent[] | undefined {
    const index = ring.findIndex((event) => event.seq === at + 1)
    return index === -1 ? undefined : ring.slice(index)
  }

  function wake(): void {
    for (const waiter of waiters.splice(0)) {
      if (waiter.until() || closing.signal.aborted) waiter.resolve()
      else waiters.push(waiter)
    }
  }

  function wait(until: () => boolean): Promise<void> {
    if (until() || closing.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => waiters.push({ until, resolve }))
  }
  closing.signal.addEventListener(
    'abort',
    () => {
      skipWindow?.()
      wake()
    },
    { once: true },
  )

  return {
    write,
    spent,
    spend,
    drained: () => wait(() => unsentChars < BOUND_CHARS),
    flushed() {
      hurried = pumping
      skipWindow?.()
      return wait(() => !pumping && pending.length === 0)
    },
    next: (body) => place(body, seq + 1),
    sentAfter,
    close: () => closing.abort(),
  }
}

function isDelta<E extends { type: string }>(event: E): event is Extract<E, { type: 'text' | 'thinking' }> {
  return event.type === 'text' || event.type === 'thinking'
}

/** Cuts between characters: half of a surrogate pair is no text. */
function* pieces(text: string, chars: number): Generator<string> {
  for (let start = 0; start < text.length;) {
    const end = start + chars
    const splitsPair = /^[\uD800-\uDBFF][\uDC00-\uDFFF]/.test(text.slice(end - 1, end + 1))
    const piece = text.slice(start, splitsPair ? end - 1 : end)
    yield piece
    start += piece.length
  }
}

const ENVELOPE_CHARS = 120

function sizeOf(event: EventBody | FleetEvent): number {
  switch (event.type) {
    case 'text':
    case 'thinking':
      return event.text.length
    case 'log':
      return event.line.length + ENVELOPE_CHARS
    case 'tool_result':
      return event.output.length + ENVELOPE_CHARS
    case 'tool_use':
      return JSON.stringify(event.input).length + ENVELOPE_CHARS
    default:
      return ENVELOPE_CHARS
  }
}
