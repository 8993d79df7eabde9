import { setTimeout as pause } from 'node:timers/promises'
import type { Rig } from '../rig/rig.js'

/** One fault and what the fleet promises about it. */
export interface FaultCase {
  name: string
  /** How it is done, for the table. */
  injection: string
  /** Marks of every fake claude of the case. */
  marks?: string
  /** Environment of its workers. */
  env?: Record<string, string>
  /** Prompts it may cost beyond the first of each job. */
  extraStarts: number
  /** Most that `run` may answer, ms. */
  withinMs?: number
  /** Does it. Resolves to the time the fleet needed, ms, where there is one. Throws where a promise of its own is broken. */
  run(rig: Rig, random: Random): Promise<number | undefined>
}

/** From 0 to `max`, ms; from the seed of the run. */
export type Random = (max: number) => number

export { pause }

/** About `ms` of an answer that streams. */
export const streaming = (ms: number) => `[[bytes:${Math.ceil(ms / 10)}]][[slow:${Math.ceil(ms / 100)},100]]`

/** The same numbers for the same seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return (max) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * max
  }
}
