import { addUsage, NO_USAGE, type Usage } from '@claude-fleet/core'
import { duration, tokens, usd } from '../text/figures.js'
import { OUTCOMES, type KeptLine } from './output.js'

/** What came of a batch, over all its runs; `ms` of this run alone. */
export interface Summary {
  jobs: number
  completed: number
  failed: number
  cancelled: number
  refused: number
  unknown: number
  /** Not ended yet. */
  left: number
  /** By error code, of what failed or was refused. */
  errors: Record<string, number>
  costUsd: number
  usage: Usage
  ms: number
}

/** Counts lines as they end. */
export interface Tally {
  add(line: Omit<KeptLine, 'line'>): void
  summary(ms: number): Summary
}

export function createTally(jobs: number): Tally {
  const counts = { completed: 0, failed: 0, cancelled: 0, refused: 0, unknown: 0 }
  const errors = new Map<string, number>()
  let ended = 0
  let costUsd = 0
  let usage = NO_USAGE
  return {
    add(line) {
      ended += 1
      counts[line.state] += 1
      costUsd += line.costUsd
      if (line.usage !== undefined) usage = addUsage(usage, line.usage)
      const isFault = line.state === 'failed' || line.state === 'refused'
      if (isFault && line.error !== undefined) errors.set(line.error.code, (errors.get(line.error.code) ?? 0) + 1)
    },
    summary: (ms) => ({ jobs, ...counts, left: jobs - ended, errors: Object.fromEntries(errors), costUsd, usage, ms }),
  }
}

/** The summary for people. */
export function summaryLines({ jobs, left, errors, costUsd, usage, ms, ...counts }: Summary): string[] {
  const outcomes = OUTCOMES.filter((name) => name === 'completed' || counts[name] > 0)
  const codes = Object.entries(errors).toSorted(([, a], [, b]) => b - a)
  return [
    fact(
      'jobs',
      `${jobs}: ${[...outcomes.map((name) => `${counts[name]} ${name}`), ...(left > 0 ? [`${left} left`] : [])].join(', ')}`,
    ),
    ...(codes.length > 0 ? [fact('errors', codes.map(([code, times]) => `${times} ${code}`).join(', '))] : []),
    fact('cost', `${usd(costUsd)}, ${tokens(usage)}`),
    fact('took', duration(ms)),
  ]
}

function fact(name: string, value: string): string {
  return `${name.padEnd(10)} ${value}`
}
