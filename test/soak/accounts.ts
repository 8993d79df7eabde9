import type { AttemptView, JobView } from '@claude-fleet/core'
import type { Rig } from '../faults/rig/rig.js'

/** Why a job's prompt was sent more than once: what the ledger says of the attempts before its last. */
export interface Accounts {
  /** Prompts by jobs that were sent at all. */
  useful: number
  /** Prompts beyond the first of a job, by what became of the attempt before. */
  extra: Record<string, number>
  /** Of these, what the storm cost: the rest are retries that a job had asked for. */
  byFaults: number
  /** Prompts that nothing explains, each with its job. */
  unexplained: string[]
  /** USD of all attempts, and of those that a fault took. */
  costUsd: number
  lostUsd: number
}

/** What a fault of the fleet's surroundings ends; `failed` is the job's own. */
const TAKEN = new Set(['lost', 'fenced', 'returned'])

/** Compares what each claude was given with the ledger of its job. `views`: every job that ended. */
export function accountsOf(rig: Rig, views: ReadonlyMap<string, JobView>): Accounts {
  const accounts: Accounts = { useful: 0, extra: {}, byFaults: 0, unexplained: [], costUsd: 0, lostUsd: 0 }
  for (const { id, tag } of rig.acked) {
    const view = views.get(id)
    if (view === undefined) continue
    const prompts = rig.spends.of(tag).length
    if (prompts > 0) accounts.useful += 1
    const attempts = view.attempts ?? []
    for (const { costUsd, outcome } of attempts) {
      accounts.costUsd += costUsd
      if (TAKEN.has(outcome)) accounts.lostUsd += costUsd
    }
    // An attempt may have ended before it sent its prompt, so there are as many reasons as attempts, or more.
    const reasons = attempts.slice(0, -1).filter(explains)
    for (let nth = 1; nth < prompts; nth += 1) {
      const reason = reasons[nth - 1]
      if (reason === undefined) {
        accounts.unexplained.push(`${id}: prompt ${nth + 1} of ${prompts}, ledger ${attempts.map(wordOf).join(', ')}`)
        continue
      }
      const word = wordOf(reason)
      accounts.extra[word] = (accounts.extra[word] ?? 0) + 1
      if (TAKEN.has(reason.outcome)) accounts.byFaults += 1
    }
  }
  return accounts
}

function explains({ outcome }: AttemptView): boolean {
  return TAKEN.has(outcome) || outcome === 'failed' || outcome === 'parked'
}

const wordOf = ({ outcome, code }: AttemptView) => (code === undefined ? outcome : `${outcome} ${code}`)
