import { FleetError } from '@claude-fleet/core'
import type { ClaudeSession } from '../types.js'
import type { Waiter } from './waiter.js'

/** Where a process of the pool stands; the picture of it is in `pool.ts`. */
export type SlotState =
  | Starting
  | Resetting
  | { name: 'ready'; session: ClaudeSession; since: number; expiry: NodeJS.Timeout }
  | { name: 'claimed'; session: ClaudeSession; settled: Promise<void> }
  | { name: 'leased'; session: ClaudeSession }
  /** `yields`: its place is another's already. */
  | { name: 'ending'; ended: Promise<void>; yields: boolean }
  | { name: 'stuck'; ended: Promise<void> }
  | { name: 'gone' }

export interface Starting {
  name: 'starting'
  abort: AbortController
  settled: Promise<void>
  /** Whom it is for; undefined: nobody yet. */
  waiter: Waiter | undefined
}

/** It has served, and is made as new. */
export interface Resetting {
  name: 'resetting'
  session: ClaudeSession
  settled: Promise<void>
  waiter: Waiter | undefined
}

export interface Slot {
  /** What a spec must be equal in to be served by it; another once it is kept for a conversation. */
  key: string
  /** The conversation it was kept for. */
  conversation: string | undefined
  /** Was it begun for nobody? */
  readonly ahead: boolean
  /** When it was begun, ms of the monotonic clock. */
  readonly bornAt: number
  /** Leases it has served. */
  uses: number
  /** It ended before it was leased. */
  died: boolean
  state: SlotState
}

const EDGES: Readonly<Record<SlotState['name'], readonly SlotState['name'][]>> = {
  // To itself: another acquire, or none, has it.
  starting: ['starting', 'ready', 'leased', 'ending', 'gone'],
  resetting: ['resetting', 'ready', 'leased', 'ending'],
  ready: ['claimed', 'ending'],
  claimed: ['ready', 'leased', 'ending'],
  leased: ['resetting', 'ending'],
  ending: ['gone', 'stuck'],
  stuck: [],
  gone: [],
}

/** The only writer of a slot's state. Throws FleetError `INTERNAL` for a step that is not one. */
export function moveSlot(slots: Set<Slot>, slot: Slot, next: SlotState): void {
  if (!EDGES[slot.state.name].includes(next.name)) {
    throw new FleetError('INTERNAL', `a pool slot cannot go from ${slot.state.name} to ${next.name}`)
  }
  if (slot.state.name === 'ready') clearTimeout(slot.state.expiry)
  slot.state = next
  if (next.name === 'gone') slots.delete(slot)
}

/** Will it be ready soon, with no acquire that has it? */
export function isComing({ state }: Slot): boolean {
  if (state.name === 'resetting') return state.waiter === undefined
  return state.name === 'starting' && state.waiter === undefined && !state.abort.signal.aborted
}

/** Is it ready, or will it be? */
export function isWarm(slot: Slot): boolean {
  return slot.state.name === 'ready' || isComing(slot)
}

/** Warm, and never leased? */
export function isSpare(slot: Slot): boolean {
  return slot.uses === 0 && isWarm(slot)
}

/** Is it leased, or for an acquire? */
export function isBusy({ state }: Slot): boolean {
  if (state.name === 'starting' || state.name === 'resetting') return state.waiter !== undefined
  return state.name === 'leased' || state.name === 'claimed'
}

/** Does it count against what the host carries? */
export function takesPlace({ state }: Slot): boolean {
  return !(state.name === 'ending' && state.yields)
}
