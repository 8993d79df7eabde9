import type { Command } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withClient, withOpenClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { follow } from './follow.js'
import { jobId } from './id.js'
import { addEnqueueOptions, jobInput, number, type JobFlags } from './options.js'
import { readPrompt } from './prompt.js'

interface WaitFlag {
  wait?: boolean
}

const WAIT = 'stay with a job that is parked by a usage limit or a refused credential, in place of leaving with 75'

/** The commands that begin a job or follow one: `run`, `enqueue`, `tail`, `retry`. */
export function addStreamCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  addEnqueueOptions(withPrompt(command('run', 'enqueue a prompt and stream its answer to stdout')))
    .option('--wait', WAIT)
    .option('--json', 'print events, one JSON object a line')
    .addHelpText(
      'after',
      examples(
        'claude-fleet run "Summarise README.md" --allowed-tools Read',
        'claude-fleet run - < prompt.txt',
        'claude-fleet run -- "--a prompt that begins with a dash"',
        'claude-fleet run --json "Say hello" | jq -r \'select(.type == "text").text\'',
      ) + '\nCtrl-C cancels the job; a second one leaves it running. A pipe that closes leaves it running too.',
    )
    .action(
      action(async (prompt: string, { json = false, wait = false, ...flags }: JobFlags & JsonFlag & WaitFlag) => {
        const input = jobInput(await readPrompt(prompt, terminal), flags, terminal.readFile)
        const { idempotencyKey } = flags
        return withOpenClient(terminal, (client) =>
          follow((signal) => client.enqueue(input, { idempotencyKey, signal }), terminal, {
            json,
            wait,
            onInterrupt: 'cancel',
          }),
        )
      }),
    )

  addEnqueueOptions(withPrompt(command('enqueue', 'enqueue a prompt and print its job id')))
    .option('--json', 'print {"id"} as JSON')
    .addHelpText(
      'after',
      examples(
        'id=$(claude-fleet enqueue "Summarise README.md")',
        'claude-fleet enqueue --idempotency-key nightly-7 --priority 9 - < prompt.txt',
      ),
    )
    .action(
      action(async (prompt: string, { json = false, ...flags }: JobFlags & JsonFlag) => {
        const input = jobInput(await readPrompt(prompt, terminal), flags, terminal.readFile)
        return withClient(terminal, async (client) => {
          const { id } = await client.enqueue(input, { idempotencyKey: flags.idempotencyKey })
          if (json) printJson({ id })
          else printLines([id])
          return EXIT.ok
        })
      }),
    )

  command('tail', "print a job's stream from its start and follow it to its end")
    .argument('<id>', 'job id')
    .option('--after <seq>', 'go on after the event with this number', number)
    .option('--wait', WAIT)
    .option('--json', 'print events, one JSON object a line')
    .addHelpText(
      'after',
      examples('claude-fleet tail j_...', 'claude-fleet tail --json --after 12 j_...') +
        '\nCtrl-C leaves; the job goes on. The exit code is that of the job, as for run.',
    )
    .action(
      action((id: string, { json = false, wait = false, after }: JsonFlag & WaitFlag & { after?: number }) => {
        const known = jobId(id)
        return withOpenClient(terminal, (client) =>
          follow(async () => client.job(known), terminal, { json, wait, after, onInterrupt: 'leave' }),
        )
      }),
    )

  command('retry', 'enqueue an ended job again, with the same prompt and options')
    .argument('<id>', 'job id')
    .option('--follow', 'stream the answer of the new job, as run does')
    .option('--wait', `with --follow: ${WAIT}`)
    .option('--json', 'print {"id", "retryOf"} as JSON; with --follow events, one JSON object a line')
    .addHelpText('after', examples('claude-fleet retry j_...', 'claude-fleet retry --follow j_...'))
    .action(
      action((id: string, flags: JsonFlag & WaitFlag & { follow?: boolean }) => {
        const { json = false, wait = false } = flags
        const retryOf = jobId(id)
        if (flags.follow === true) {
          return withOpenClient(terminal, (client) =>
            follow((signal) => client.job(retryOf).retry({ signal }), terminal, { json, wait, onInterrupt: 'cancel' }),
          )
        }
        return withClient(terminal, async (client) => {
          const job = await client.job(retryOf).retry()
          if (json) printJson({ id: job.id, retryOf })
          else printLines([job.id])
          return EXIT.ok
        })
      }),
    )
}

function withPrompt(command: Command): Command {
  return command.argument('<prompt>', 'the prompt, or - for stdin; after -- it may begin with a dash')
}
