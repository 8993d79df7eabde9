import type { FleetClient } from '@claude-fleet/client'
import { DEFAULTS, LIMITS, OVERLAP_POLICIES, type OverlapPolicy } from '@claude-fleet/core'
import { Option, type Command } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { addJobOptions, jobInput, number, type JobFlags } from '../job/options.js'
import { readPrompt } from '../job/prompt.js'
import { say } from '../terminal.js'
import { printable, styleOf } from '../text/style.js'
import { scheduleId } from './id.js'
import { historyTable, scheduleLines, scheduleTable } from './show.js'

interface ListFlags extends JsonFlag {
  limit?: number
  cursor?: string
  all?: boolean
  quiet?: boolean
}

interface CreateFlags extends JobFlags, JsonFlag {
  name?: string
  timeZone?: string
  overlap?: OverlapPolicy
  catchUpMs?: number
  paused?: boolean
}

/** `schedules` and what is below it. */
export function addScheduleCommands(commands: Commands): void {
  const schedules = addList(commands)
  addCreate(schedules, commands)
  addOne(schedules, commands)
}

function addList({ command, action, terminal, printJson, printLines }: Commands): Command {
  const style = styleOf(terminal.stdout, terminal.env)
  return command('schedules', 'list schedules, newest first, or do something with one')
    .option('--limit <n>', `schedules of a page, 1 to ${LIMITS.listItems} (default ${DEFAULTS.listItems})`, number)
    .option('--cursor <cursor>', 'the page that begins here, as the page before it said')
    .option('--all', 'every page')
    .option('-q, --quiet', 'print ids only')
    .option('--json', 'print {"items", "nextCursor"} as JSON; with --all one JSON object a schedule and line')
    .addHelpText('after', examples('claude-fleet schedules', 'claude-fleet schedules --all -q | wc -l'))
    .action(
      action(({ json = false, all = false, quiet = false, limit, cursor: given }: ListFlags) =>
        withClient(terminal, async (client) => {
          let cursor = given
          for (;;) {
            const page = await client.schedules.list({ limit: limit ?? (all ? LIMITS.listItems : undefined), cursor })
            const look = { now: Date.now(), style, width: terminal.stdout.columns }
            if (json && all) for (const item of page.items) printJson(item)
            else if (json) printJson(page)
            else if (quiet) printLines(page.items.map(({ id }) => id))
            else printLines(scheduleTable(page.items, look))
            cursor = page.nextCursor
            if (!all || cursor === undefined) break
          }
          if (cursor !== undefined && !json) say(terminal, `more: --cursor ${printable(cursor)}`)
          return EXIT.ok
        }),
      ),
    )
}

function addCreate(schedules: Command, { action, terminal, printJson, printLines }: Commands): void {
  const create = schedules
    .command('create')
    .description('enqueue a prompt at the times of a cron expression, and print the id of the schedule')
    .argument('<cron>', 'minute, hour, day of month, month, day of week; or such as @daily')
    .argument('<prompt>', 'prompt; - reads stdin')
    .option('--name <name>', 'name for people')
    .option('--time-zone <zone>', `IANA name of the zone of the times (default ${DEFAULTS.timeZone})`)
    .addOption(
      new Option('--overlap <policy>', `while its job has not ended (default ${DEFAULTS.overlap})`).choices(
        OVERLAP_POLICIES,
      ),
    )
    .option('--catch-up-ms <ms>', 'how late a job may still be enqueued when no worker was there', number)
    .option('--paused', 'not before it is resumed')
  addJobOptions(create)
    .option('--json', 'print the schedule as JSON')
    .addHelpText(
      'after',
      examples(
        'claude-fleet schedules create "30 7 * * MON-FRI" "Summarise the issues of the last day" --time-zone Europe/Berlin',
        'claude-fleet schedules create @hourly --overlap replace - < prompt.txt',
      ),
    )
    .action(
      action(async (cron: string, prompt: string, { json = false, ...flags }: CreateFlags) => {
        const { name, timeZone, overlap, catchUpMs, paused, ...jobFlags } = flags
        const job = jobInput(await readPrompt(prompt, terminal), jobFlags, terminal.readFile)
        const enabled = paused !== true
        return withClient(terminal, async (client) => {
          const made = await client.schedules.create({ name, cron, timeZone, overlap, catchUpMs, enabled, job })
          if (wantsJson(json, schedules)) printJson(made)
          else printLines([made.id])
          return EXIT.ok
        })
      }),
    )
}

function addOne(schedules: Command, { action, terminal, printJson, printLines }: Commands): void {
  const style = styleOf(terminal.stdout, terminal.env)
  const look = () => ({ now: Date.now(), style, width: terminal.stdout.columns })

  /** A command about one schedule. `ask` resolves to what is printed as JSON, and as lines. */
  function one(
    name: string,
    { description, json }: { description: string; json: string },
    ask: (client: FleetClient, id: string) => Promise<{ value: unknown; lines: string[] }>,
  ): void {
    schedules
      .command(name)
      .description(description)
      .argument('<id>', 'schedule id')
      .option('--json', `print ${json} as JSON`)
      .addHelpText('after', examples(`claude-fleet schedules ${name} c_...`))
      .action(
        action((text: string, { json: asked = false }: JsonFlag) => {
          const id = scheduleId(text)
          return withClient(terminal, async (client) => {
            const { value, lines } = await ask(client, id)
            if (wantsJson(asked, schedules)) printJson(value)
            else printLines(lines)
            return EXIT.ok
          })
        }),
      )
  }

  one('get', { description: 'show a schedule', json: 'it' }, async (client, id) => {
    const value = await client.schedules.get(id)
    return { value, lines: scheduleLines(value, look()) }
  })
  one('pause', { description: 'enqueue nothing until it is resumed', json: 'the schedule' }, async (client, id) => {
    const value = await client.schedules.update(id, { enabled: false })
    return { value, lines: [`${id} paused`] }
  })
  one('resume', { description: 'go on with its next time', json: 'the schedule' }, async (client, id) => {
    const value = await client.schedules.update(id, { enabled: true })
    const next = value.nextRunAt === undefined ? '' : `, next ${new Date(value.nextRunAt).toISOString()}`
    return { value, lines: [`${id} resumed${next}`] }
  })
  one('delete', { description: 'delete a schedule; its jobs stay', json: '{"id", "deleted"}' }, async (client, id) => {
    await client.schedules.delete(id)
    return { value: { id, deleted: true }, lines: [`${id} deleted`] }
  })
  one('history', { description: 'what became of its last times', json: '{"items"}' }, async (client, id) => {
    const items = await client.schedules.history(id)
    return { value: { items }, lines: historyTable(items, look()) }
  })
  one('run', { description: 'enqueue its job now, and print the job id', json: '{"id"}' }, async (client, id) => {
    const job = await client.schedules.run(id)
    return { value: { id: job.id }, lines: [job.id] }
  })
}

/** Commander gives an option of the same name to the command above. */
function wantsJson(own: boolean, schedules: Command): boolean {
  return own || schedules.opts<JsonFlag>().json === true
}
