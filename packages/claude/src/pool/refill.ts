import type { SessionSpec } from '../types.js'
import type { Demand } from './demand.js'
import { isBusy, isComing, isSpare, isWarm, takesPlace, type Slot } from './slot.js'

/** Decides when a spare is begun, off the way of those who wait. */
export interface Refill {
  /** To be called after every change of the pool. */
  schedule(): void
  stop(): void
}

export interface RefillDeps {
  slots: ReadonlySet<Slot>
  demand: Demand
  /** Does an acquire wait? */
  waiting: () => boolean
  begin(key: string, spec: SessionSpec): void
  /** Ends a process that is ready, because another spec has more need of its place. */
  retire(slot: Slot): void
  pump(): void
}

/**
 * Of what is ready: one for a spec that was used once, else one of several for a spec, else the one ready longest. An
 * unused one before one that has served, which is the quicker of the two.
 */
export function leastWanted(slots: ReadonlySet<Slot>, demand: Pick<Demand, 'isSteady'>): Slot | undefined {
  const since = ({ state }: Slot): number => (state.name === 'ready' ? state.since : Infinity)
  const ready = [...slots].filter(({ state }) => state.name === 'ready').toSorted((a, b) => since(a) - since(b))
  const isOneOfSeveral = ({ key }: Slot): boolean => ready.filter((slot) => slot.key === key).length > 1
  const several = ready.filter(isOneOfSeveral)
  const single = ready.find(({ key }) => !demand.isSteady(key))
  return single ?? several.find(({ uses }) => uses === 0) ?? several[0] ?? ready[0]
}

/** One timer, set while a spare is wanted and may be begun. What changes that calls `schedule`. */
export function createRefill(
  deps: RefillDeps,
  options: { max: number; spares: number; parallelStarts: number; refillDelayMs: number },
): Refill {
  const { slots, demand } = deps
  const { max, spares } = options
  // More of one spec than may be leased at once are of no use.
  const most = Math.min(max, spares)
  let timer: NodeJS.Timeout | undefined
  const count = (fits: (slot: Slot) => boolean): number => [...slots].filter(fits).length
  const warmOf = (key: string): number => count((slot) => slot.key === key && isWarm(slot))
  const isStarting = (slot: Slot): boolean => slot.state.name === 'starting'

  function mayBegin(): boolean {
    // A start is CPU alone: not beside one that somebody waits for.
    if (deps.waiting() || count((slot) => isStarting(slot) && isBusy(slot)) > 0) return false
    if (count(takesPlace) >= max + spares || count(isSpare) >= spares) return false
    return count((slot) => isStarting(slot) && isComing(slot)) < options.parallelStarts
  }

  /** A spec that is in steady use and has nothing ready takes the place of one that is not, or that has several. */
  function makePlace(): void {
    if (!demand.lacking(warmOf)) return
    const least = leastWanted(slots, demand)
    if (least !== undefined && (!demand.isSteady(least.key) || warmOf(least.key) > 1)) deps.retire(least)
  }

  function begin(): void {
    timer = undefined
    const next = demand.next(warmOf, most)
    if (next?.inMs === 0 && mayBegin()) deps.begin(next.key, next.spec)
    deps.pump()
  }

  return {
    schedule() {
      if (spares === 0 || timer !== undefined || deps.waiting()) return
      const wanted = demand.next(warmOf, most)
      if (wanted === undefined) return
      if (count(isSpare) >= spares || count(takesPlace) >= max + spares) return makePlace()
      if (mayBegin()) timer = setTimeout(begin, Math.max(wanted.inMs, options.refillDelayMs))
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
