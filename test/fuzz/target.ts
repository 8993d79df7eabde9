import { appendFileSync } from 'node:fs'
import fc from 'fast-check'

/** One thing that is fuzzed. */
export interface FuzzTarget {
  name: string
  /** Of the cases of `npm run fuzz -- --runs N`, how many in a hundred are of this target. */
  share: number
  /** Cases of the short form, which is part of `npm test`. */
  short: number
  /** `--seed` of the short form. Default: 1. */
  seed?: number
}

// `npm run fuzz` sets these.
const RUNS = process.env['FUZZ_RUNS']
const SEED = process.env['FUZZ_SEED']
const ONLY = process.env['FUZZ_TARGET']
const REPORT = process.env['FUZZ_REPORT']

/** How the test of a target is called: its seed is in it. */
export function titleOf(target: FuzzTarget): string {
  return `${target.name} (${runsOf(target)} cases, seed ${seedOf(target)})`
}

/** Is it left out, as `--target` names another? */
export function isLeftOut(target: FuzzTarget): boolean {
  return ONLY !== undefined && ONLY !== target.name
}

/**
 * Holds a property for the cases of a target. Rejects with the smallest case found that breaks it, and the command that
 * finds it again. `shrink: false` where a case costs a lot: the first that breaks it is told.
 */
export async function fuzz<T>(
  target: FuzzTarget,
  input: fc.Arbitrary<T>,
  holds: (value: T) => void | Promise<void>,
  { shrink = true }: { shrink?: boolean } = {},
): Promise<void> {
  const numRuns = runsOf(target)
  const seed = seedOf(target)
  const counts = { target: target.name, seed, cases: 0, faults: 0 }
  const property = fc.asyncProperty(input, async (value) => {
    counts.cases += 1
    await holds(value)
  })
  const details = await fc.check(property, { numRuns, seed, endOnFailure: !shrink })
  counts.faults = details.failed ? 1 : 0
  if (REPORT !== undefined) appendFileSync(REPORT, `${JSON.stringify(counts)}\n`)
  if (!details.failed) return
  const again = `npm run fuzz -- --target '${target.name}' --cases ${numRuns} --seed ${seed}`
  throw new Error(`${await fc.asyncDefaultReportMessage(details)}\nAgain: ${again}`, { cause: details.errorInstance })
}

function runsOf(target: FuzzTarget): number {
  const cases = process.env['FUZZ_CASES']
  if (cases !== undefined) return Number(cases)
  return RUNS === undefined ? target.short : Math.ceil((Number(RUNS) * target.share) / 100)
}

function seedOf(target: FuzzTarget): number {
  return SEED === undefined ? (target.seed ?? 1) : Number(SEED)
}
