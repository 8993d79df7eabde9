import {
  FleetError,
  isEndEvent,
  isEndState,
  JOB_ID_PATTERN,
  JOB_STATES,
  LIMITS,
  type JobState,
} from '@claude-fleet/core'
import { Option, type Command } from 'commander'
import type { Commands } from '../commands.js'
import { withClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { say } from '../terminal.js'
import { printable, styleOf } from '../text/style.js'
import { follow } from './follow.js'
import { addJobOptions, jobInput, number, type JobFlags } from './options.js'
import { readPrompt } from './prompt.js'
import { jobLines, jobTable } from './show.js'

interface Json {
  json?: boolean
}

/** `run`, `enqueue`, `tail`, `get`, `cancel`, `retry`, `jobs`. */
export function addJobCommands({ command, action, terminal }: Commands): void {
  const { stdout } = terminal
  const printJson = (value: unknown) => void stdout.write(`${JSON.stringify(value)}\n`)
  const lines = (all: readonly string[]) => void stdout.write(all.map((line) => `${line}\n`).join(''))
  const style = styleOf(stdout, terminal.env)

  addJobOptions(withPrompt(command('run', 'enqueue a prompt and stream its answer to stdout')))
    .option('--wait', 'wait for a job that a usage limit has parked, in place of leaving with 75')
    .option('--json', 'print events, one JSON object a line')
    .addHelpText(
      'after',
      examples('run "Summarise README.md"', 'run - < prompt.txt', 'run --max-budget-usd 0.50 "..." | tee answer.txt') +
        '\nCtrl-C cancels the job; a second one leaves it running.',
    )
    .action(
      action(async (prompt: string, { json = false, wait = false, ...flags }: JobFlags & Json & { wait?: boolean }) => {
        const input = jobInput(await readPrompt(prompt, terminal), flags, terminal.readFile)
        return withClient(terminal, async (client) => {
          const job = await client.enqueue(input, { idempotencyKey: flags.idempotencyKey })
          return follow(job, terminal, { json, wait, onInterrupt: 'cancel' })
        })
      }),
    )

  addJobOptions(withPrompt(command('enqueue', 'enqueue a prompt and print its job id')))
    .option('--json', 'print the job as JSON')
    .addHelpText('after', examples('enqueue "Summarise README.md"', 'id=$(claude-fleet enqueue - < prompt.txt)'))
    .action(
      action(async (prompt: string, { json = false, ...flags }: JobFlags & Json) => {
        const input = jobInput(await readPrompt(prompt, terminal), flags, terminal.readFile)
        return withClient(terminal, async (client) => {
          const job = await client.enqueue(input, { idempotencyKey: flags.idempotencyKey })
          if (json) printJson(await job.get())
          else lines([job.id])
          return EXIT.ok
        })
      }),
    )

  command('tail', "print a job's stream from its start and follow it to its end")
    .argument('<id>', 'job id')
    .option('--after <seq>', 'go on after the event with this number', number)
    .option('--wait', 'wait for a job that a usage limit has parked, in place of leaving with 75')
    .option('--json', 'print events, one JSON object a line')
    .addHelpText('after', examples('tail j_…', 'tail --json --after 12 j_…') + '\nCtrl-C leaves; the job goes on.')
    .action(
      action((id: string, { json = false, wait = false, after }: Json & { wait?: boolean; after?: number }) =>
        withClient(terminal, (client) =>
          follow(client.job(jobId(id)), terminal, { json, wait, after, onInterrupt: 'leave' }),
        ),
      ),
    )

  command('get', 'show a job, its result or its error')
    .argument('<id>', 'job id')
    .option('--json', 'print the job as JSON')
    .addHelpText('after', examples('get j_…', "get --json j_… | jq -r '.result.text'"))
    .action(
      action((id: string, { json = false }: Json) =>
        withClient(terminal, async (client) => {
          const job = await client.job(jobId(id)).get()
          if (json) printJson(job)
          else lines(jobLines(job, { now: Date.now(), style }))
          return EXIT.ok
        }),
      ),
    )

  command('cancel', 'cancel jobs: one that waits never starts, one that runs is ended')
    .argument('<id...>', 'job ids')
    .option('--wait', 'return only when each has ended')
    .option('--json', 'print one JSON object a job')
    .addHelpText('after', examples('cancel j_…', 'cancel --wait j_… j_…'))
    .action(
      action((ids: string[], { json = false, wait = false }: Json & { wait?: boolean }) =>
        withClient(terminal, async (client) => {
          for (const id of ids.map(jobId)) {
            const job = client.job(id)
            const answer = await job.cancel()
            if (wait) for await (const event of job.events()) if (isEndEvent(event)) break
            const { state } = await job.get()
            if (json) printJson({ id, answer, state })
            else
              lines([
                `${id} ${answer === 'ended' ? `had already ended: ${state}` : isEndState(state) ? state : answer}`,
              ])
          }
          return EXIT.ok
        }),
      ),
    )

  command('retry', 'enqueue an ended job again, with the same prompt and options')
    .argument('<id>', 'job id')
    .option('--follow', 'stream the answer of the new job, as run does')
    .option('--wait', 'with --follow: wait for a parked job, in place of leaving with 75')
    .option('--json', 'print the new job as JSON; with --follow its events')
    .addHelpText('after', examples('retry j_…', 'retry --follow j_…'))
    .action(
      action((id: string, flags: Json & { follow?: boolean; wait?: boolean }) =>
        withClient(terminal, async (client) => {
          const { json = false, wait = false } = flags
          const job = await client.job(jobId(id)).retry()
          if (flags.follow === true) return follow(job, terminal, { json, wait, onInterrupt: 'cancel' })
          if (json) printJson(await job.get())
          else lines([job.id])
          return EXIT.ok
        }),
      ),
    )

  command('jobs', 'list jobs, newest first')
    .addOption(new Option('--state <state>', 'only jobs in this state').choices(JOB_STATES))
    .option('--session <id>', 'only jobs of this session')
    .option('--batch <id>', 'only jobs of this batch')
    .option('--limit <n>', `jobs of a page, to ${LIMITS.listItems}`, number)
    .option('--cursor <cursor>', 'the page that begins here, as the last line of the page before it says')
    .option('--all', 'every page')
    .option('--json', 'print a page as JSON; with --all one JSON object a job')
    .addHelpText('after', examples('jobs --state failed', `jobs --all --json | jq -r '.id'`))
    .action(
      action((flags: Json & JobsFlags) =>
        withClient(terminal, async (client) => {
          const { json = false, all = false, ...query } = flags
          let { cursor } = query
          for (;;) {
            const page = await client.jobs({ ...query, cursor })
            if (json && all) page.items.forEach(printJson)
            else if (json) printJson(page)
            else lines(jobTable(page.items, { now: Date.now(), style, width: stdout.columns }))
            cursor = page.nextCursor
            if (cursor === undefined) return EXIT.ok
            if (!all) {
              if (!json) say(terminal, `more: --cursor ${printable(cursor)}`)
              return EXIT.ok
            }
          }
        }),
      ),
    )
}

interface JobsFlags {
  state?: JobState
  session?: string
  batch?: string
  limit?: number
  cursor?: string
  all?: boolean
}

function withPrompt(command: Command): Command {
  return command.argument('<prompt>', 'the prompt, or - for stdin; after -- it may begin with -')
}

function examples(...all: string[]): string {
  return `\nExamples:\n${all.map((one) => `  ${one.startsWith('id=') ? '' : 'claude-fleet '}${one}\n`).join('')}`
}

function jobId(id: string): string {
  if (JOB_ID_PATTERN.test(id)) return id
  throw new FleetError('INVALID_REQUEST', `${JSON.stringify(printable(id))} is not a job id, such as j_…`)
}
