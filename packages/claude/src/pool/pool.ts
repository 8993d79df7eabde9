/**
 * The pool of claude processes of one worker. It bounds how many there are, hands them out in the order they were asked
 * for, keeps some ready, and knows of every one until nothing of it lives. It knows no queue, no Redis, no prompt.
 *
 *   slot:  starting -> leased -> ending -> gone, or stuck       pool:  open -> draining -> stopped
 *             |        |    ^       ^
 *             |  resetting  |       |    (resetting: made as new after a job, with proof)
 *             |        |    |       |
 *             +-----> ready |       |
 *                      |    |       |
 *                     claimed ------+    (claimed: looked at once more before it is leased)
 *
 * Always true:
 * 1. at most `max` slots are leased or about to be, at most `max + spares` take a place;
 * 2. a session has at most one lease, and a lease one session;
 * 3. an acquire waits only while one of the limits of 1 is reached;
 * 4. every acquire settles: with a lease, the start's error, its signal's reason, `TIMEOUT` or `WORKER_LOST`;
 * 5. once `stop` has resolved, no process of the pool lives;
 * 6. a process goes only to a spec that is equal in all it was started with (`reuseKey`), the tenant and the folder
 *    included; one that has served, only after its session has proven that nothing of the job before is left (`reset`);
 * 7. a process that is kept for a conversation serves that one alone, and only as far as it has come;
 * 8. no spare is begun while an acquire waits or a process is started for one.
 */
import { FleetError, type ProcessEndReason, type StartKind } from '@claude-fleet/core'
import type { ClaudeSession, ConversationState, ExitFacts, PoolStats, SessionPool, SessionSpec } from '../types.js'
import { createCounters } from './counters.js'
import { createDemand } from './demand.js'
import { createEnding } from './ending.js'
import { createFitness } from './fitness.js'
import { reuseKey } from './keys.js'
import { createLease } from './lease.js'
import { resolvePoolOptions, type SessionPoolOptions } from './options.js'
import { createRefill, leastWanted } from './refill.js'
import {
  isBusy,
  isComing,
  isSpare,
  isWarm,
  moveSlot,
  takesPlace,
  type Slot,
  type SlotState,
  type Starting,
} from './slot.js'
import { createWaiter, type Waiter } from './waiter.js'

/** Starts a process for `spec`. Rejects with the signal's reason when aborted, and leaves nothing then. */
export type StartSession = (spec: SessionSpec, signal: AbortSignal) => Promise<ClaudeSession>

export interface SessionPoolDeps {
  startSession: StartSession
  /** Told when a process could not be ended; its slot stays taken. */
  onLeak?: (error: unknown) => void
  /** Told when a spare could not be started or died. No acquire is the worse for it. */
  onSpareLost?: (error: unknown) => void
  /** Told why a process that had served was not taken for as new. It is ended. */
  onNotReusable?: (why: string) => void
}

/** Throws RangeError where an option is not a number in its range. */
export function createSessionPool(deps: SessionPoolDeps, given: SessionPoolOptions): SessionPool {
  const options = resolvePoolOptions(given)
  const { max, spares, idleMs } = options
  const slots = new Set<Slot>()
  const waiters: Waiter[] = []
  const counters = createCounters()
  const { end, retire, retireSession } = createEnding({
    move: (slot, next) => moveSlot(slots, slot, next),
    onEnded: counters.destroyed,
    onLeak: (error) => deps.onLeak?.(error),
    pump,
  })
  const { whyUnfit, whyNotAsNew, whyNotKept } = createFitness(options, (why) => deps.onNotReusable?.(why))
  const demand = createDemand(idleMs, Math.max(16, spares * 4), () => performance.now())
  const refill = createRefill(
    {
      slots,
      demand,
      waiting: () => waiters.length > 0,
      begin: (key, spec) => begin(key, spec, undefined),
      retire: (slot) => retire(slot, 'room'),
      pump,
    },
    options,
  )
  let phase: 'open' | 'draining' | 'stopped' = 'open'
  let stopping: Promise<void> | undefined

  const move = (slot: Slot, next: SlotState): void => moveSlot(slots, slot, next)
  const count = (fits: (slot: Slot) => boolean): number => [...slots].filter(fits).length

  /** The one decision: the oldest waiter gets what fits, or a start, or room is made for it. Synchronous. */
  function pump(): void {
    for (let waiter = waiters[0]; waiter !== undefined; waiter = waiters[0]) {
      if (count(isBusy) >= max) return
      const slot = bestFor(waiter.key)
      if (slot === undefined && count(takesPlace) >= max + spares && !makeRoom()) return
      waiters.shift()
      if (slot === undefined) begin(waiter.key, waiter.spec, waiter)
      else if (slot.state.name === 'ready') claim(slot, waiter)
      else hand(slot, waiter)
    }
    if (phase === 'open') refill.schedule()
  }

  /** What serves soonest: a used process answers its first words quicker than a new one, and a reset is quicker still. */
  function bestFor(key: string): Slot | undefined {
    const fitting = [...slots].filter((slot) => slot.key === key && isWarm(slot)).toReversed()
    const ready = fitting.filter(({ state }) => state.name === 'ready')
    const used = ready.find(({ uses }) => uses > 0) ?? fitting.find(({ state }) => state.name === 'resetting')
    return used ?? ready[0] ?? fitting[0]
  }

  /** What is least of use goes for a waiter that it does not fit. The end of one is not waited for, that of more is. */
  function makeRoom(): boolean {
    if (count((slot) => !takesPlace(slot)) > 0) return false
    const least = leastWanted(slots, demand)
    if (least !== undefined) {
      retire(least, 'room', true)
      return true
    }
    const begun = [...slots].find((slot) => slot.state.name === 'starting' && isComing(slot))
    if (begun?.state.name === 'starting') begun.state.abort.abort(new FleetError('CANCELLED', 'its place is needed'))
    return false
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
    const ahead = waiter === undefined
    const slot: Slot = {
      key,
      conversation: spec.conversation?.id,
      ahead,
      bornAt: performance.now(),
      uses: 0,
      died: false,
      state,
    }
    slots.add(slot)
    if (waiter !== undefined) hand(slot, waiter)
  }

  /** A process that will be ready soon is for `waiter` from now on. */
  function hand(slot: Slot, waiter: Waiter): void {
    const { state } = slot
    if (state.name !== 'starting' && state.name !== 'resetting') throw internal('only what is coming can be handed on')
    move(slot, { ...state, waiter })
    waiter.giveUp = () => {
      const wanted =
        state.name === 'resetting' ||
        waiters[0]?.key === slot.key ||
        (slot.conversation === undefined && count(isSpare) < spares)
      // Nobody's: its acquire is rejected once nothing of it lives.
      if (state.name === 'starting' && (phase !== 'open' || !wanted)) return state.abort.abort(waiter.signal.reason)
      move(slot, { ...state, waiter: undefined })
      waiter.reject(waiter.signal.reason)
      pump()
    }
  }

  function started(slot: Slot, session: ClaudeSession, signal: AbortSignal): void {
    counters.created()
    void session.exited.then((exit) => died(slot, exit))
    if (slot.state.name !== 'starting') throw internal('a slot was started twice')
    const { waiter } = slot.state
    if (signal.aborted) {
      waiter?.reject(signal.reason)
      retireSession(slot, session, 'given_up')
    } else if (waiter !== undefined) give(slot, session, waiter, slot.ahead ? 'spare' : 'cold')
    else if (!session.lasts || slot.conversation !== undefined || count(isSpare) > spares) {
      if (!session.lasts) demand.forget(slot.key)
      retireSession(slot, session, 'given_up')
    } else {
      demand.started(slot.key)
      keep(slot, session, performance.now())
    }
  }

  function notStarted(slot: Slot, error: unknown, signal: AbortSignal): void {
    if (slot.state.name !== 'starting') throw internal('a slot was started twice')
    const { waiter } = slot.state
    move(slot, { name: 'gone' })
    if (error instanceof FleetError && error.code === 'INTERNAL') deps.onLeak?.(error)
    if (signal.aborted) return waiter?.reject(signal.reason)
    demand.failed(slot.key)
    if (!slot.ahead && waiter !== undefined) return waiter.reject(startError(error))
    deps.onSpareLost?.(error)
    // It was begun for nobody, so its failure is nobody's: the one who has come meanwhile gets a start of its own.
    if (waiter !== undefined) putBack(waiter)
  }

  function keep(slot: Slot, session: ClaudeSession, since: number): void {
    const expiry = setTimeout(() => retire(slot, 'idle'), Math.max(0, since + idleMs - performance.now()))
    move(slot, { name: 'ready', session, since, expiry })
  }

  /** A process ended by itself. Of a lease or a reset it is told there. */
  function died(slot: Slot, exit: ExitFacts): void {
    slot.died = true
    if (slot.state.name !== 'ready' && slot.state.name !== 'claimed') return
    if (slot.uses === 0) demand.failed(slot.key)
    deps.onSpareLost?.(new FleetError('PROCESS_CRASHED', 'an idle claude process ended', { details: { ...exit } }))
    retire(slot, 'died')
  }

  /** A ready process for `waiter`, if it is still what a start would bring; else the waiter is the first served again. */
  function claim(slot: Slot, waiter: Waiter): void {
    if (slot.state.name !== 'ready') throw internal('only a ready process can be claimed')
    const { session, since } = slot.state
    waiter.giveUp = () => waiter.reject(waiter.signal.reason)
    const settled = whyUnfit(slot, session)
      .then((why) => {
        if (phase !== 'open') {
          waiter.reject(workerLost())
          return retireSession(slot, session, 'drained')
        }
        if (why === undefined) {
          if (waiter.signal.aborted) return keep(slot, session, since)
          return give(slot, session, waiter, slot.uses > 0 ? 'reused' : 'spare')
        }
        retireSession(slot, session, why)
        if (!waiter.signal.aborted) putBack(waiter)
      })
      .finally(pump)
    move(slot, { name: 'claimed', session, settled })
  }

  /** A released process is made as new for the next lease, or ended. Resolves once either is done. */
  function recycle(slot: Slot, session: ClaudeSession): Promise<void> {
    if (slot.state.name !== 'leased') return end(slot, session, 'drained')
    if (phase !== 'open') return end(slot, session, 'drained')
    if (idleMs === 0 || !session.lasts || slot.conversation !== undefined) return end(slot, session, 'used')
    if (slot.uses >= options.maxUses) return end(slot, session, 'turns')
    const settled = whyNotAsNew(slot, session)
      .then((why) => wasReset(slot, session, why))
      .finally(pump)
    move(slot, { name: 'resetting', session, settled, waiter: undefined })
    pump()
    return settled
  }

  /** From now on it is another key's: whoever waits for that is served as by a reset. */
  function keepFor(
    slot: Slot,
    session: ClaudeSession,
    spec: SessionSpec,
    conversation: ConversationState,
  ): Promise<void> {
    if (slot.state.name !== 'leased' || phase !== 'open') return end(slot, session, 'drained')
    if (idleMs === 0) return end(slot, session, 'used')
    if (slot.uses >= options.maxUses) return end(slot, session, 'turns')
    slot.key = reuseKey(spec, conversation)
    slot.conversation = conversation.id
    const settled = whyNotKept(slot, session)
      .then((why) => wasReset(slot, session, why))
      .finally(pump)
    move(slot, { name: 'resetting', session, settled, waiter: undefined })
    pump()
    return settled
  }

  function wasReset(slot: Slot, session: ClaudeSession, why: ProcessEndReason | undefined): void {
    if (slot.state.name !== 'resetting') throw internal('a slot was reset twice')
    const { waiter } = slot.state
    if (phase !== 'open') return retireSession(slot, session, 'drained')
    if (why === undefined)
      return waiter ? give(slot, session, waiter, 'reused') : keep(slot, session, performance.now())
    retireSession(slot, session, why)
    if (waiter !== undefined) putBack(waiter)
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
    slot.uses += 1
    counters.leased(start)
    if (slot.conversation === undefined && session.lasts) demand.used(slot.key, waiter.spec)
    else demand.forget(slot.key)
    const lease = createLease(session, start, {
      release: () => recycle(slot, session),
      keep: (conversation) => keepFor(slot, session, waiter.spec, conversation),
      discard: () => end(slot, session, 'discarded'),
    })
    waiter.resolve(lease)
  }

  function drain(): void {
    if (phase === 'open') phase = 'draining'
    refill.stop()
    demand.clear()
    for (const waiter of waiters.splice(0)) waiter.reject(workerLost())
    for (const slot of slots) {
      const { state } = slot
      if (state.name === 'starting') state.abort.abort(workerLost())
      else if (state.name === 'resetting' && state.waiter !== undefined) {
        move(slot, { ...state, waiter: undefined })
        state.waiter.reject(workerLost())
      } else retire(slot, 'drained')
    }
  }

  return {
    acquire(spec, request) {
      if (request.signal.aborted) return Promise.reject(request.signal.reason as Error)
      if (phase !== 'open') return Promise.reject(workerLost())
      const { waiter, lease } = createWaiter(spec, reuseKey(spec), request)
      waiter.giveUp = () => leave(waiter)
      waiters.push(waiter)
      pump()
      return lease
    },
    hasConversation: (id) => [...slots].some((slot) => slot.conversation === id && isWarm(slot)),
    stats(): PoolStats {
      const ready = [...slots].filter(({ state }) => state.name === 'ready')
      return {
        ...counters.totals(),
        leased: count(({ state }) => state.name === 'leased'),
        spares: ready.filter(({ uses }) => uses === 0).length,
        idle: ready.filter(({ uses }) => uses > 0).length,
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
    if (state.name === 'leased' || state.name === 'ready') return end(slot, state.session, 'drained')
    if (state.name === 'ending' || state.name === 'stuck') return state.ended
    if (state.name !== 'gone') return state.settled
  }
}

const internal = (message: string): FleetError => new FleetError('INTERNAL', message)

function workerLost(): FleetError {
  return new FleetError('WORKER_LOST', 'this worker takes no more work')
}

function startError(cause: unknown): unknown {
  if (cause instanceof FleetError) return cause
  return new FleetError('SPAWN_FAILED', 'the claude process could not be started', { cause })
}
