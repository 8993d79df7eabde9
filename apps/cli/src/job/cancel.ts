import type { FleetClient } from '@claude-fleet/client'
import { isEndEvent, isEndState, type JobState } from '@claude-fleet/core'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withClient } from '../connect.js'
import { describeError, EXIT, type Problem } from '../exit-code.js'
import { say } from '../terminal.js'
import { jobId } from './id.js'

/** What came of asking for one job's end. */
type Outcome = { id: string } & (
  | { outcome: 'cancelling' | 'ended'; state: JobState }
  | { outcome: 'error'; error: Problem; exitCode: number; line: string }
)

/** `cancel`. Every id is asked for, also when another fails; the exit code is then that of the first failure. */
export function addCancelCommand({ command, action, terminal, printJson, printLines }: Commands): void {
  command('cancel', 'cancel jobs: one that waits never starts, one that runs is ended')
    .argument('<id...>', 'job ids')
    .option('--wait', 'return when each has ended, not when its end was asked for')
    .option('--json', 'print {"items": [{"id", "outcome", "state"}]} as JSON')
    .addHelpText(
      'after',
      examples('claude-fleet cancel j_...', 'claude-fleet jobs -q --state waiting | xargs claude-fleet cancel --wait'),
    )
    .action(
      action((ids: string[], { json = false, wait = false }: JsonFlag & { wait?: boolean }) => {
        const known = ids.map(jobId)
        return withClient(terminal, async (client) => {
          const items = await cancelAll(client, known, wait)
          if (json) printJson({ items: items.map(forPrograms) })
          for (const item of items) {
            if (item.outcome === 'error') {
              if (!json) say(terminal, `claude-fleet: ${item.id}: ${item.line}`)
            } else if (!json) printLines([`${item.id} ${sentence(item)}`])
          }
          return items.find((item) => item.outcome === 'error')?.exitCode ?? EXIT.ok
        })
      }),
    )
}

const AT_ONCE = 8

async function cancelAll(client: FleetClient, ids: readonly string[], wait: boolean): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE)
    outcomes.push(...(await Promise.all(some.map((id) => cancelOne(client, id)))))
  }
  if (!wait) return outcomes
  // All have been asked for before the first is waited for.
  return Promise.all(outcomes.map(async (one) => (one.outcome === 'cancelling' ? waitForEnd(client, one) : one)))
}

async function cancelOne(client: FleetClient, id: string): Promise<Outcome> {
  try {
    const job = client.job(id)
    const outcome = await job.cancel()
    return { id, outcome, state: (await job.get()).state }
  } catch (error) {
    return failed(id, error)
  }
}

async function waitForEnd(client: FleetClient, one: Extract<Outcome, { outcome: 'cancelling' | 'ended' }>) {
  try {
    const job = client.job(one.id)
    for await (const event of job.events()) if (isEndEvent(event)) break
    return { ...one, state: (await job.get()).state }
  } catch (error) {
    return failed(one.id, error)
  }
}

function failed(id: string, error: unknown): Outcome {
  const { exitCode, line, problem } = describeError(error)
  return { id, outcome: 'error', error: problem, exitCode, line }
}

function forPrograms(item: Outcome): object {
  const { id, outcome } = item
  return outcome === 'error' ? { id, outcome, error: item.error } : { id, outcome, state: item.state }
}

function sentence({ outcome, state }: { outcome: 'cancelling' | 'ended'; state: JobState }): string {
  if (outcome === 'ended') return `had already ended: ${state}`
  return isEndState(state) ? state : outcome
}
