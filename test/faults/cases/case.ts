import { setTimeout as pause } from 'node:timers/promises'
import type { Rig } from '../rig/rig.js'
import type { Random } from '../../support/random.js'

/** One fault and what the fleet promises about it. */
export interface FaultCase {
  name: string
  /** How it is done, for the table. */
  injection: string
  /** Marks of every fake claude of the case. */
  marks?: string
  /** Environment of its workers. */
  env?: Record<string, string>
  /** Takes half a minute or more, mostly of waiting: `npm run faults` has it, which the gate runs, `npm test` has not. */
  long?: boolean
  /** Prompts it may cost beyond the first of each job. */
  extraStarts: number
  /** Most that `run` may answer, ms. */
  withinMs?: number
  /** Does it. Resolves to the time the fleet needed, ms, where there is one. Throws where a promise of its own is broken. */
  run(rig: Rig, random: Random): Promise<number | undefined>
}

export { pause }

/** About `ms` of an answer that streams. */
export const streaming = (ms: number) => `[[bytes:${Math.ceil(ms / 10)}]][[slow:${Math.ceil(ms / 100)},100]]`
