import { FleetError } from '@claude-fleet/core'
import type { ClaudeSession, Lease, SessionSpec } from '../types.js'

/** The only writer of a slot's state. Throws FleetError `INTERNAL` for a step that is not one. */
export function moveSlot(slots: Set<Slot>, slot: Slot, next: SlotState): void {
  if (!EDGES[slot.state.name].includes(next.name)) {
    throw new FleetError('INTERNAL', `a pool slot cannot go from ${slot.state.name} to ${next.name}`)
  }
  if (slot.state.name === 'spare') clearTimeout(slot.state.expiry)
  slot.state = next
  if (next.name === 'gone') slots.delete(slot)
}

/** Is it being started, for nobody yet? */
export function isFree({ state }: Slot): boolean {
  return state.name === 'starting' && state.waiter === undefined && !state.abort.signal.aborted
}

/** Is it a spare, or will it be one? */
export function isWarm(slot: Slot): boolean {
  return slot.state.name === 'spare' || isFree(slot)
}

/** Is it leased, or for an acquire? */
export function isBusy({ state }: Slot): boolean {
  const { name } = state
  return name === 'leased' || name === 'claimed' || (name === 'starting' && state.waiter !== undefined)
}

export interface Starting {
  name: 'starting'
  abort: AbortController
  settled: Promise<void>
  /** Whom it is for; undefined: nobody yet. */
  waiter: Waiter | undefined
}

/** Where a process of the pool stands; the picture of it is in `pool.ts`. */
export type SlotState =
  | Starting
  | { name: 'spare'; session: ClaudeSession; since: number; expiry: NodeJS.Timeout }
  | { name: 'claimed'; session: ClaudeSession; settled: Promise<void> }
  | { name: 'leased'; session: ClaudeSession }
  | { name: 'ending' | 'stuck'; ended: Promise<void> }
  | { name: 'gone' }

export interface Slot {
  readonly key: string
  /** Was it begun for nobody? */
  readonly ahead: boolean
  /** It ended before it was leased. */
  died: boolean
  state: SlotState
}

/** An acquire that has no lease yet. */
export interface Waiter {
  spec: SessionSpec
  key: string
  signal: AbortSignal
  /** What its abort does where it stands now. */
  giveUp: () => void
  resolve(lease: Lease): void
  reject(reason: unknown): void
}

const EDGES: Readonly<Record<SlotState['name'], readonly SlotState['name'][]>> = {
  // To itself: another acquire, or none, has it.
  starting: ['starting', 'spare', 'leased', 'ending', 'gone'],
  spare: ['claimed', 'ending'],
  claimed: ['spare', 'leased', 'ending'],
  leased: ['ending'],
  ending: ['gone', 'stuck'],
  stuck: [],
  gone: [],
}
