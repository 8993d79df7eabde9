/**
 * The pool of claude processes of one worker. It bounds how many there are, hands them out in the order they were asked
 * for, and knows of every one until nothing of it lives. It knows no queue, no Redis and no prompt.
 *
 *   slot:  starting -> leased -> ending -> gone          pool:  open -> draining -> stopped
 *             |                     ^
 *             +---------------------+  (start failed or was given up)
 *
 * Always true:
 * 1. at most `max` slots are not gone;
 * 2. a session has at most one lease, and a lease one session;
 * 3. an acquire waits only while the pool is full;
 * 4. every acquire settles: with a lease, the start's error, its signal's reason, or `WORKER_LOST`;
 * 5. once `stop` has resolved, no process of the pool lives.
 *
 * A released process is ended like a discarded one: it holds a conversation, and what must be proven before another job
 * may have it is decided in one place, `settle`. `keys.ts` says which spec fits which process.
 */
import { FleetError, type StartKind } from '@claude-fleet/core'
import type { ClaudeSession, Lease, PoolStats, SessionPool, SessionSpec } from '../types.js'

/** Starts one session; nothing lives when it rejects. It must heed the signal. */
export type StartSession = (spec: SessionSpec, signal: AbortSignal) => Promise<ClaudeSession>

export interface SessionPoolDeps {
  startSession: StartSession
  /** Told when a process could not be ended; its slot stays taken. */
  onLeak?: (error: unknown) => void
}

export interface SessionPoolOptions {
  /** Most processes at one time. */
  max: number
}

type SlotState =
  | { name: 'starting'; abort: AbortController; settled: Promise<void> }
  | { name: 'leased'; session: ClaudeSession }
  | { name: 'ending'; ended: Promise<void> }
  | { name: 'gone' }

interface Slot {
  state: SlotState
}

interface Waiter {
  spec: SessionSpec
  signal: AbortSignal
  resolve(lease: Lease): void
  reject(reason: unknown): void
}

const EDGES: Readonly<Record<SlotState['name'], readonly SlotState['name'][]>> = {
  starting: ['leased', 'ending', 'gone'],
  leased: ['ending'],
  ending: ['gone'],
  gone: [],
}

export function createSessionPool(deps: SessionPoolDeps, options: SessionPoolOptions): SessionPool {
  if (!Number.isInteger(options.max) || options.max < 1) throw new RangeError('max must be a positive integer')
  const slots = new Set<Slot>()
  const waiters = new Set<Waiter>()
  const counters = { created: 0, reused: 0, spare: 0, cold: 0, destroyed: 0 }
  let phase: 'open' | 'draining' | 'stopped' = 'open'
  let stopping: Promise<void> | undefined

  /** The only writer of a slot's state. */
  function move(slot: Slot, next: SlotState): void {
    if (!EDGES[slot.state.name].includes(next.name)) {
      throw new FleetError('INTERNAL', `a pool slot cannot go from ${slot.state.name} to ${next.name}`)
    }
    slot.state = next
    if (next.name !== 'gone') return
    slots.delete(slot)
    pump()
  }

  /** The one decision: while there is room, the oldest waiter's session is started. Synchronous. */
  function pump(): void {
    for (const waiter of waiters) {
      if (slots.size >= options.max) return
      waiters.delete(waiter)
      startFor(waiter)
    }
  }

  function startFor(waiter: Waiter): void {
    const abort = new AbortController()
    const giveUp = (): void => abort.abort(waiter.signal.reason)
    if (waiter.signal.aborted) giveUp()
    waiter.signal.addEventListener('abort', giveUp, { once: true })
    const settled = deps
      .startSession(waiter.spec, abort.signal)
      .then(
        (session) => ready(slot, waiter, session, abort.signal),
        (error: unknown) => {
          move(slot, { name: 'gone' })
          if (error instanceof FleetError && error.code === 'INTERNAL') deps.onLeak?.(error)
          waiter.reject(abort.signal.aborted ? abort.signal.reason : startError(error))
        },
      )
      .finally(() => waiter.signal.removeEventListener('abort', giveUp))
    const slot: Slot = { state: { name: 'starting', abort, settled } }
    slots.add(slot)
  }

  function ready(slot: Slot, waiter: Waiter, session: ClaudeSession, signal: AbortSignal): void {
    counters.created += 1
    if (signal.aborted) {
      void settle(slot, session).catch(() => undefined)
      waiter.reject(signal.reason)
      return
    }
    move(slot, { name: 'leased', session })
    counters.cold += 1
    waiter.resolve(lease(slot, session, 'cold'))
  }

  function lease(slot: Slot, session: ClaudeSession, start: StartKind): Lease {
    let given = false
    const giveBack = (): Promise<void> => {
      if (given) return Promise.reject(new FleetError('INTERNAL', 'this lease was already given back'))
      given = true
      return settle(slot, session)
    }
    return {
      session,
      start,
      release: giveBack,
      discard: giveBack,
      [Symbol.asyncDispose]: async () => {
        if (!given) await giveBack()
      },
    }
  }

  /** What becomes of a session that nobody leases any more. */
  function settle(slot: Slot, session: ClaudeSession): Promise<void> {
    if (slot.state.name === 'ending') return slot.state.ended
    // `stop` was quicker than the lease.
    if (slot.state.name === 'gone') return Promise.resolve()
    const ended = session.close().then(
      () => {
        counters.destroyed += 1
        move(slot, { name: 'gone' })
      },
      (error: unknown) => {
        // Something of it lives: the slot stays taken, so the limit still holds for what the host carries.
        deps.onLeak?.(error)
        throw error
      },
    )
    move(slot, { name: 'ending', ended })
    return ended
  }

  function drain(): void {
    if (phase === 'open') phase = 'draining'
    const refused = [...waiters]
    waiters.clear()
    for (const waiter of refused) waiter.reject(workerLost())
    for (const { state } of slots) if (state.name === 'starting') state.abort.abort(workerLost())
  }

  return {
    acquire(spec, { signal }) {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      if (phase !== 'open') return Promise.reject(workerLost())
      return new Promise<Lease>((resolve, reject) => {
        const leave = (): void => {
          if (waiters.delete(waiter)) waiter.reject(signal.reason)
        }
        const waiter: Waiter = {
          spec,
          signal,
          resolve: (given) => (signal.removeEventListener('abort', leave), resolve(given)),
          reject: (reason) => (signal.removeEventListener('abort', leave), reject(reason)),
        }
        signal.addEventListener('abort', leave, { once: true })
        waiters.add(waiter)
        pump()
      })
    },
    stats(): PoolStats {
      const leased = [...slots].filter((slot) => slot.state.name === 'leased').length
      return { ...counters, leased, spares: 0, waiting: waiters.size }
    },
    drain,
    stop() {
      stopping ??= endAll()
      return stopping
    },
  }

  async function endAll(): Promise<void> {
    drain()
    while (slots.size > 0) {
      await Promise.all([...slots].map((slot) => endOf(slot)))
    }
    phase = 'stopped'
  }

  async function endOf(slot: Slot): Promise<void> {
    if (slot.state.name === 'leased') return settle(slot, slot.state.session)
    if (slot.state.name === 'ending') return slot.state.ended
    if (slot.state.name === 'starting') return slot.state.settled
  }
}

function workerLost(): FleetError {
  return new FleetError('WORKER_LOST', 'this worker takes no more work')
}

function startError(cause: unknown): unknown {
  if (cause instanceof FleetError) return cause
  return new FleetError('SPAWN_FAILED', 'the claude process could not be started', { cause })
}
