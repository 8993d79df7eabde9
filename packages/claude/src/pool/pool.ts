/**
 * The pool of claude processes of one worker. It bounds how many there are, hands them out in the order they were asked
 * for, keeps unused ones ready, and knows of every one until nothing of it lives. It knows no queue, no Redis, no prompt.
 *
 *   slot:  starting -> leased -> ending -> gone, or stuck       pool:  open -> draining -> stopped
 *             |          ^         ^
 *             |      claimed ------+  (claimed: a spare that is looked at once more before it is leased)
 *             |          ^         |
 *             +-----> spare -------+  (back to spare when the acquire was aborted meanwhile)
 *
 * Always true:
 * 1. at most `max` slots are leased or about to be, at most `max + spares` are not gone;
 * 2. a session has at most one lease, and a lease one session;
 * 3. an acquire waits only while one of the limits of 1 is reached;
 * 4. every acquire settles: with a lease, the start's error, its signal's reason, or `WORKER_LOST`;
 * 5. once `stop` has resolved, no process of the pool lives;
 * 6. a spare has never run a turn, and goes only to a spec that is equal in all it was started with (`reuseKey`);
 * 7. no spare is begun while an acquire waits or a process is started for one.
 *
 * A released process is ended like a discarded one: it holds a conversation, and what must be proven before another job
 * may have it is decided in one place, `settle`.
 */
import { FleetError, type StartKind } from '@claude-fleet/core'
import type { ClaudeSession, DestroyReason, ExitFacts, Lease, PoolStats, SessionPool, SessionSpec } from '../types.js'
import { createDemand } from './demand.js'
import { reuseKey } from './keys.js'
import { isBusy, isFree, isWarm, moveSlot, type Slot, type SlotState, type Starting, type Waiter } from './slot.js'

/** Starts a process for `spec`. Rejects with the signal's reason when aborted, and leaves nothing then. */
export type StartSession = (spec: SessionSpec, signal: AbortSignal) => Promise<ClaudeSession>

export interface SessionPoolDeps {
  startSession: StartSession
  /** Told when a process could not be ended; its slot stays taken. */
  onLeak?: (error: unknown) => void
  /** Told when a spare could not be started or died. No acquire is the worse for it. */
  onSpareLost?: (error: unknown) => void
}

export interface SessionPoolOptions {
  /** Most sessions leased at one time. */
  max: number
  /** Most unused processes kept ready beyond them, for specs in recent use. Default: 0. */
  spares?: number
  /** How long an unused process is kept, and how long a spec counts as in recent use, ms; 0 keeps none. Default: 0. */
  idleMs?: number
  /** Spares started at one time. Default: 1. */
  parallelStarts?: number
  /** From a lease to the start of the spare that replaces it, so that the two do not share the CPU, ms. Default: 100. */
  refillDelayMs?: number
}

/** Throws RangeError where an option is not a whole number in its range. */
export function createSessionPool(deps: SessionPoolDeps, options: SessionPoolOptions): SessionPool {
  const { max, idleMs = 0, parallelStarts = 1, refillDelayMs = 100 } = options
  const spares = idleMs === 0 ? 0 : (options.spares ?? 0)
  if (!Number.isInteger(max) || max < 1) throw new RangeError('max must be a positive integer')
  if (!Number.isInteger(spares) || spares < 0) throw new RangeError('spares must be a whole number')
  const slots = new Set<Slot>()
  const move = (slot: Slot, next: SlotState): void => moveSlot(slots, slot, next)
  const waiters: Waiter[] = []
  const counters = { created: 0, reused: 0, spare: 0, cold: 0, destroyed: 0 }
  const destroyedBy: Partial<Record<DestroyReason, number>> = {}
  const demand = createDemand(idleMs, Math.max(16, spares * 4), () => performance.now())
  let phase: 'open' | 'draining' | 'stopped' = 'open'
  let stopping: Promise<void> | undefined
  let refilling: NodeJS.Timeout | undefined

  const find = (fits: (slot: Slot) => boolean): Slot | undefined => [...slots].find(fits)
  const count = (fits: (slot: Slot) => boolean): number => [...slots].filter(fits).length
  /** The one decision: the oldest waiter gets what fits, or a start, or room is made for it. Synchronous. */
  function pump(): void {
    for (let waiter = waiters[0]; waiter !== undefined; waiter = waiters[0]) {
      if (count(isBusy) >= max) return
      const { key } = waiter
      const fits = (slot: Slot): boolean => slot.key === key
      const ready = find((slot) => fits(slot) && slot.state.name === 'spare')
      const begun = find((slot) => fits(slot) && isFree(slot))
      if (ready === undefined && begun === undefined && slots.size >= max + spares) return makeRoom()
      waiters.shift()
      if (ready !== undefined) claim(ready, waiter)
      else if (begun !== undefined) hand(begun, waiter)
      else begin(key, waiter.spec, waiter)
    }
    scheduleRefill()
  }

  /** The oldest spare goes for a waiter that it does not fit, one at a time. */
  function makeRoom(): void {
    const leaving = ({ state }: Slot): boolean =>
      state.name === 'ending' || (state.name === 'starting' && state.abort.signal.aborted)
    if (find(leaving) !== undefined) return
    const spare = find(({ state }) => state.name === 'spare')
    if (spare !== undefined) retire(spare, 'room')
    else {
      const begun = find(isFree)
      if (begun?.state.name === 'starting') begun.state.abort.abort(new FleetError('CANCELLED', 'its place is needed'))
    }
  }

  function begin(key: string, spec: SessionSpec, waiter: Waiter | undefined): void {
    const abort = new AbortController()
    const settled = deps
      .startSession(spec, abort.signal)
      .then(
        (session) => started(slot, session, abort.signal),
        (error: unknown) => notStarted(slot, error, abort.signal),
      )
      .finally(pump)
    const state: Starting = { name: 'starting', abort, settled, waiter: undefined }
    const slot: Slot = { key, ahead: waiter === undefined, died: false, state }
    slots.add(slot)
    if (waiter !== undefined) hand(slot, waiter)
  }

  /** A process that is being started is for `waiter` from now on. */
  function hand(slot: Slot, waiter: Waiter): void {
    const { state } = slot
    if (state.name !== 'starting') throw new FleetError('INTERNAL', 'only what is being started can be handed on')
    move(slot, { ...state, waiter })
    waiter.giveUp = () => {
      const wanted = waiters[0]?.key === slot.key || count(isWarm) < spares
      // Nobody's: its acquire is rejected once nothing of it lives.
      if (phase !== 'open' || !wanted) return state.abort.abort(waiter.signal.reason)
      move(slot, { ...state, waiter: undefined })
      waiter.reject(waiter.signal.reason)
      pump()
    }
  }

  function started(slot: Slot, session: ClaudeSession, signal: AbortSignal): void {
    counters.created += 1
    if (slot.state.name !== 'starting') throw new FleetError('INTERNAL', 'a slot was started twice')
    const { waiter } = slot.state
    if (signal.aborted) {
      waiter?.reject(signal.reason)
      retireSession(slot, session, 'given up')
    } else if (waiter !== undefined) give(slot, session, waiter, slot.ahead ? 'spare' : 'cold')
    else if (count(isWarm) > spares) retireSession(slot, session, 'given up')
    else {
      demand.started(slot.key)
      keep(slot, session, performance.now())
      void session.exited.then((exit) => died(slot, exit))
    }
  }

  function notStarted(slot: Slot, error: unknown, signal: AbortSignal): void {
    if (slot.state.name !== 'starting') throw new FleetError('INTERNAL', 'a slot was started twice')
    const { waiter } = slot.state
    move(slot, { name: 'gone' })
    if (error instanceof FleetError && error.code === 'INTERNAL') deps.onLeak?.(error)
    if (signal.aborted) return waiter?.reject(signal.reason)
    if (!slot.ahead && waiter !== undefined) return waiter.reject(startError(error))
    spareLost(slot.key, error)
    // It was begun for nobody, so its failure is nobody's: the one who has come meanwhile gets a start of its own.
    if (waiter !== undefined) putBack(waiter)
  }

  function spareLost(key: string, error: unknown): void {
    demand.failed(key)
    deps.onSpareLost?.(error)
  }

  function keep(slot: Slot, session: ClaudeSession, since: number): void {
    const expiry = setTimeout(() => retire(slot, 'idle'), Math.max(0, since + idleMs - performance.now()))
    move(slot, { name: 'spare', session, since, expiry })
  }

  function died(slot: Slot, exit: ExitFacts): void {
    if (slot.state.name !== 'spare' && slot.state.name !== 'claimed') return
    slot.died = true
    spareLost(slot.key, new FleetError('PROCESS_CRASHED', 'a spare claude process ended', { details: { ...exit } }))
    retire(slot, 'died')
  }

  /** A spare for `waiter`, if it is still what a start would bring; else the waiter is the first to be served again. */
  function claim(slot: Slot, waiter: Waiter): void {
    if (slot.state.name !== 'spare') throw new FleetError('INTERNAL', 'only a spare can be claimed')
    const { session, since } = slot.state
    waiter.giveUp = () => waiter.reject(waiter.signal.reason)
    const settled = session
      .isCurrent()
      .catch(() => false)
      .then((current) => {
        if (phase !== 'open') {
          waiter.reject(workerLost())
          return retireSession(slot, session, 'drained')
        }
        if (current && !slot.died) {
          if (waiter.signal.aborted) return keep(slot, session, since)
          return give(slot, session, waiter, 'spare')
        }
        retireSession(slot, session, slot.died ? 'died' : 'outdated')
        if (!waiter.signal.aborted) putBack(waiter)
      })
      .finally(pump)
    move(slot, { name: 'claimed', session, settled })
  }

  function putBack(waiter: Waiter): void {
    waiter.giveUp = () => leave(waiter)
    waiters.unshift(waiter)
  }

  function leave(waiter: Waiter): void {
    waiters.splice(waiters.indexOf(waiter), 1)
    waiter.reject(waiter.signal.reason)
    pump()
  }

  function give(slot: Slot, session: ClaudeSession, waiter: Waiter, start: StartKind): void {
    move(slot, { name: 'leased', session })
    counters[start] += 1
    // What a trusted workspace says of itself is read at the start, and may be another by the time of the lease.
    if (!waiter.spec.trustWorkspace) demand.used(slot.key, waiter.spec)
    waiter.resolve(lease(slot, session, start))
  }

  function lease(slot: Slot, session: ClaudeSession, start: StartKind): Lease {
    let given = false
    const giveBack = (reason: DestroyReason): Promise<void> => {
      if (given) return Promise.reject(new FleetError('INTERNAL', 'this lease was already given back'))
      given = true
      return settle(slot, session, reason)
    }
    return {
      session,
      start,
      release: () => giveBack('used'),
      discard: () => giveBack('discarded'),
      [Symbol.asyncDispose]: async () => {
        if (!given) await giveBack('discarded')
      },
    }
  }

  function retire(slot: Slot, reason: DestroyReason): void {
    if (slot.state.name === 'spare') retireSession(slot, slot.state.session, reason)
  }

  /** As `settle`, where nobody waits for it; `onLeak` is told when it fails. */
  function retireSession(slot: Slot, session: ClaudeSession, reason: DestroyReason): void {
    void settle(slot, session, reason).catch(() => undefined)
  }

  /** What becomes of a session that nobody leases any more. */
  function settle(slot: Slot, session: ClaudeSession, reason: DestroyReason): Promise<void> {
    if (slot.state.name === 'ending' || slot.state.name === 'stuck') return slot.state.ended
    // `stop` was quicker than the lease.
    if (slot.state.name === 'gone') return Promise.resolve()
    const ended = session.close().then(
      () => {
        counters.destroyed += 1
        destroyedBy[reason] = (destroyedBy[reason] ?? 0) + 1
        move(slot, { name: 'gone' })
        pump()
      },
      (error: unknown) => {
        // Something of it lives: the slot stays taken, so the limit still holds for what the host carries.
        move(slot, { name: 'stuck', ended })
        deps.onLeak?.(error)
        pump()
        throw error
      },
    )
    move(slot, { name: 'ending', ended })
    return ended
  }

  const warmOf = (key: string): number => count((slot) => slot.key === key && isWarm(slot))

  /** One timer, set while a spare is wanted and may be begun. What changes that calls `pump`. */
  function scheduleRefill(): void {
    if (spares === 0 || phase !== 'open' || refilling !== undefined || waiters.length > 0) return
    const wanted = demand.next(warmOf, spares)
    if (wanted === undefined) return
    if (count(isWarm) >= spares) return makePlace()
    if (!mayBegin()) return
    refilling = setTimeout(
      () => {
        refilling = undefined
        const next = demand.next(warmOf, spares)
        if (next?.inMs === 0 && mayBegin()) begin(next.key, next.spec, undefined)
        pump()
      },
      Math.max(wanted.inMs, refillDelayMs),
    )
  }

  /** May a spare be begun now? */
  function mayBegin(): boolean {
    const forAcquire = ({ state }: Slot): boolean => state.name === 'starting' && state.waiter !== undefined
    if (waiters.length > 0 || find(forAcquire) !== undefined) return false
    return slots.size < max + spares && count(isWarm) < spares && count(isFree) < parallelStarts
  }

  /** A spec that is in steady use and has no spare takes the place of one that is not, or that has several. */
  function makePlace(): void {
    if (!demand.lacking(warmOf)) return
    const least = find(({ key, state }) => state.name === 'spare' && (!demand.isSteady(key) || warmOf(key) > 1))
    if (least !== undefined) retire(least, 'room')
  }

  function drain(): void {
    if (phase === 'open') phase = 'draining'
    clearTimeout(refilling)
    demand.clear()
    for (const waiter of waiters.splice(0)) waiter.reject(workerLost())
    for (const slot of slots) {
      if (slot.state.name === 'starting') slot.state.abort.abort(workerLost())
      else retire(slot, 'drained')
    }
  }

  return {
    acquire(spec, { signal }) {
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      if (phase !== 'open') return Promise.reject(workerLost())
      return new Promise<Lease>((resolve, reject) => {
        const onAbort = (): void => waiter.giveUp()
        const waiter: Waiter = {
          spec,
          key: reuseKey(spec),
          signal,
          giveUp: () => leave(waiter),
          resolve: (given) => (signal.removeEventListener('abort', onAbort), resolve(given)),
          reject: (reason) => (signal.removeEventListener('abort', onAbort), reject(reason)),
        }
        signal.addEventListener('abort', onAbort, { once: true })
        waiters.push(waiter)
        pump()
      })
    },
    stats(): PoolStats {
      const inState = (name: SlotState['name']): number => count(({ state }) => state.name === name)
      return {
        ...counters,
        destroyedBy: { ...destroyedBy },
        leased: inState('leased'),
        spares: inState('spare'),
        waiting: waiters.length,
      }
    },
    drain,
    stop() {
      stopping ??= endAll()
      return stopping
    },
  }

  async function endAll(): Promise<void> {
    drain()
    while (slots.size > 0) await Promise.all([...slots].map((slot) => endOf(slot)))
    phase = 'stopped'
  }

  async function endOf(slot: Slot): Promise<void> {
    const { state } = slot
    if (state.name === 'leased' || state.name === 'spare') return settle(slot, state.session, 'drained')
    if (state.name === 'ending' || state.name === 'stuck') return state.ended
    if (state.name === 'starting' || state.name === 'claimed') return state.settled
  }
}

function workerLost(): FleetError {
  return new FleetError('WORKER_LOST', 'this worker takes no more work')
}

function startError(cause: unknown): unknown {
  if (cause instanceof FleetError) return cause
  return new FleetError('SPAWN_FAILED', 'the claude process could not be started', { cause })
}
