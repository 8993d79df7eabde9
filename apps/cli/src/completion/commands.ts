import {
  JOB_ID_PATTERN,
  SCHEDULE_ID_PATTERN,
  SESSION_ID_PATTERN,
  WEBHOOK_ID_PATTERN,
  WORKER_ID_PATTERN,
} from '@claude-fleet/core'
import { Argument, type Command } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withApi, withClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { ago } from '../text/figures.js'
import { oneLine } from '../text/style.js'
import { candidatesOf, type Candidate, type IdKind } from './candidates.js'
import { SHELLS, shellScript, type Shell } from './scripts.js'

/** A shell waits for this while a person has pressed Tab, ms. */
const ASK_MS = 1_500

/** `completion SHELL` prints what the shell has to load; that asks the hidden `__complete` at each Tab. */
export function addCompletion(program: Command, { command, action, terminal, printJson, printLines }: Commands): void {
  command('completion', 'print the completion of a shell, for the shell to load')
    .addArgument(new Argument('<shell>', 'shell').choices(SHELLS))
    .option('--json', 'print {"shell", "script"} as JSON')
    .addHelpText(
      'after',
      examples(
        'source <(claude-fleet completion bash)      # in ~/.bashrc',
        'source <(claude-fleet completion zsh)       # in ~/.zshrc, after compinit',
        'claude-fleet completion fish > ~/.config/fish/completions/claude-fleet.fish',
      ) + '\nJob, schedule and worker ids are completed where FLEET_URL (or REDIS_URL) is set.',
    )
    .action(
      action(async (shell: Shell, { json = false }: JsonFlag) => {
        const script = shellScript(shell, program)
        if (json) printJson({ shell, script })
        else terminal.stdout.write(script)
        return EXIT.ok
      }),
    )
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .option('--describe', 'a tab and a description behind each')
    .allowUnknownOption()
    .helpOption(false)
    .action(
      action(async (words: string[], { describe = false }: { describe?: boolean }) => {
        const { found, ids, typed } = candidatesOf(program, words)
        const known = ids === undefined ? [] : await knownIds(ids)
        // An id once given is not given again.
        const more = known.filter(({ value }) => value.startsWith(typed) && !words.slice(0, -1).includes(value))
        const line = ({ value, description }: Candidate) =>
          describe ? `${value}\t${oneLine(description, undefined)}` : value
        printLines([...found, ...more].map(line))
        return EXIT.ok
      }),
    )

  /** None where the fleet cannot be asked: a completion has nobody to tell. What is no id never reaches a shell. */
  async function knownIds(kind: IdKind): Promise<Candidate[]> {
    const options = { signal: AbortSignal.timeout(ASK_MS) }
    try {
      if (kind === 'worker') {
        const workers = await withApi(terminal, (client) => client.workers(options))
        return workers
          .filter(({ id }) => WORKER_ID_PATTERN.test(id))
          .map(({ id, host }) => ({ value: id, description: host }))
      }
      if (kind === 'session') {
        const { items } = await withClient(terminal, (client) => client.sessions.list({ limit: 100 }, options))
        return items
          .filter(({ id }) => SESSION_ID_PATTERN.test(id))
          .map(({ id, state, turns }) => ({ value: id, description: `${state}, ${turns} turns` }))
      }
      if (kind === 'schedule') {
        const { items } = await withClient(terminal, (client) => client.schedules.list({ limit: 100 }, options))
        return items
          .filter(({ id }) => SCHEDULE_ID_PATTERN.test(id))
          .map(({ id, name, cron }) => ({ value: id, description: name ?? cron }))
      }
      if (kind === 'webhook') {
        const webhooks = await withApi(terminal, (client) => client.webhooks.list(options))
        return webhooks
          .filter(({ id }) => WEBHOOK_ID_PATTERN.test(id))
          .map(({ id, url }) => ({ value: id, description: url }))
      }
      const { items } = await withClient(terminal, (client) => client.jobs({}, options))
      return items
        .filter(({ id }) => JOB_ID_PATTERN.test(id))
        .map(({ id, state, createdAt }) => ({ value: id, description: `${state}, ${ago(createdAt, Date.now())}` }))
    } catch {
      return []
    }
  }
}
