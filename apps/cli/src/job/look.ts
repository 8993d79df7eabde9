import { DEFAULTS, JOB_STATES, LIMITS, type JobState } from '@claude-fleet/core'
import { Option } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { say } from '../terminal.js'
import { printable, styleOf } from '../text/style.js'
import { jobId } from './id.js'
import { number } from './options.js'
import { jobLines, jobTable } from './show.js'

interface ListFlags extends JsonFlag {
  state?: JobState
  session?: string
  batch?: string
  limit?: number
  cursor?: string
  all?: boolean
  quiet?: boolean
}

/** The commands that look and change nothing: `get`, `jobs`. */
export function addLookCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  const style = styleOf(terminal.stdout, terminal.env)

  command('get', 'show a job, its result or its error')
    .argument('<id>', 'job id')
    .option('--json', 'print the job as JSON')
    .addHelpText('after', examples('claude-fleet get j_...', "claude-fleet get --json j_... | jq -r '.result.text'"))
    .action(
      action((id: string, { json = false }: JsonFlag) => {
        const known = jobId(id)
        return withClient(terminal, async (client) => {
          const job = await client.job(known).get()
          if (json) printJson(job)
          else printLines(jobLines(job, { now: Date.now(), style, isTerminal: terminal.stdout.isTTY }))
          return EXIT.ok
        })
      }),
    )

  command('jobs', 'list jobs, newest first')
    .addOption(new Option('--state <state>', 'only jobs in this state').choices(JOB_STATES))
    .option('--session <id>', 'only jobs of this session')
    .option('--batch <id>', 'only jobs of this batch')
    .option('--limit <n>', `jobs of a page, 1 to ${LIMITS.listItems} (default ${DEFAULTS.listItems})`, number)
    .option('--cursor <cursor>', 'the page that begins here, as the page before it said')
    .option('--all', 'every page')
    .option('-q, --quiet', 'print ids only')
    .option('--json', 'print {"items", "nextCursor"} as JSON; with --all one JSON object a job and line')
    .addHelpText(
      'after',
      examples(
        'claude-fleet jobs --state failed',
        'claude-fleet jobs --all -q --state waiting | xargs claude-fleet cancel',
        "claude-fleet jobs --all --json | jq -r 'select(.costUsd > 1).id'",
      ),
    )
    .action(
      action(({ json = false, all = false, quiet = false, ...query }: ListFlags) =>
        withClient(terminal, async (client) => {
          let { cursor } = query
          for (let isFirst = true; ; isFirst = false) {
            const { items, nextCursor } = await client.jobs({
              ...query,
              limit: query.limit ?? (all ? LIMITS : DEFAULTS).listItems,
              cursor,
            })
            if (json && all) items.forEach(printJson)
            else if (json) printJson({ items, ...(nextCursor === undefined ? {} : { nextCursor }) })
            else if (quiet) printLines(items.map(({ id }) => id))
            else {
              const table = jobTable(items, { now: Date.now(), style, width: terminal.stdout.columns })
              printLines(isFirst ? table : table.slice(1))
            }
            if (nextCursor === undefined) return EXIT.ok
            if (!all) {
              if (!json) say(terminal, `more: --cursor ${printable(nextCursor)}`)
              return EXIT.ok
            }
            cursor = nextCursor
          }
        }),
      ),
    )
}
