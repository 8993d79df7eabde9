import type { FleetClient } from '@claude-fleet/client'
import {
  DEFAULTS,
  LIMITS,
  PERMISSION_MODES,
  SESSION_STATES,
  type SessionInput,
  type SessionState,
} from '@claude-fleet/core'
import { Option, type Command } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { list, number, pair, readSchema } from '../job/options.js'
import { say } from '../terminal.js'
import { printable, styleOf } from '../text/style.js'
import { sessionId } from './id.js'
import { sessionLines, sessionTable } from './show.js'

interface ListFlags extends JsonFlag {
  state?: SessionState
  limit?: number
  cursor?: string
  all?: boolean
  quiet?: boolean
}

interface CreateFlags extends JsonFlag, Omit<SessionInput, 'fork' | 'labels' | 'outputSchema'> {
  label?: string[]
  outputSchema?: string
  idempotencyKey?: string
}

/** `sessions` and what is below it. */
export function addSessionCommands(commands: Commands): void {
  const sessions = addList(commands)
  addMaking(sessions, commands)
  addOne(sessions, commands)
}

function addList({ command, action, terminal, printJson, printLines }: Commands): Command {
  const style = styleOf(terminal.stdout, terminal.env)
  return command('sessions', 'list named sessions, newest first, or do something with one')
    .addOption(new Option('--state <state>', 'only those in this state').choices(SESSION_STATES))
    .option('--limit <n>', `sessions of a page, 1 to ${LIMITS.listItems} (default ${DEFAULTS.listItems})`, number)
    .option('--cursor <cursor>', 'the page that begins here, as the page before it said')
    .option('--all', 'every page')
    .option('-q, --quiet', 'print ids only')
    .option('--json', 'print {"items", "nextCursor"} as JSON; with --all one JSON object a session and line')
    .addHelpText(
      'after',
      examples('claude-fleet sessions --state running', 'claude-fleet run --session s_... "And now?"'),
    )
    .action(
      action(({ json = false, all = false, quiet = false, limit, state, cursor: given }: ListFlags) =>
        withClient(terminal, async (client) => {
          let cursor = given
          for (;;) {
            const page = await client.sessions.list({
              state,
              limit: limit ?? (all ? LIMITS.listItems : undefined),
              cursor,
            })
            const look = { now: Date.now(), style, width: terminal.stdout.columns }
            if (json && all) for (const item of page.items) printJson(item)
            else if (json) printJson(page)
            else if (quiet) printLines(page.items.map(({ id }) => id))
            else printLines(sessionTable(page.items, look))
            cursor = page.nextCursor
            if (!all || cursor === undefined) break
          }
          if (cursor !== undefined && !json) say(terminal, `more: --cursor ${printable(cursor)}`)
          return EXIT.ok
        }),
      ),
    )
}

/** Options that hold for a conversation. A fork has its parent's folder, where the files it speaks of are. */
function addSessionOptions(command: Command, { cwd }: { cwd: boolean }): Command {
  if (cwd) command.option('--cwd <path>', "working directory, relative to the tenant's folder")
  return command
    .option('--model <name>', 'model')
    .option('--system-prompt <text>', 'replaces the system prompt')
    .option('--append-system-prompt <text>', 'is added to the system prompt')
    .option('--allowed-tools <rule>', 'tool that needs no permission, such as "Bash(git log:*)"; may repeat', list)
    .option('--disallowed-tools <rule>', 'tool that is taken away; may repeat', list)
    .addOption(new Option('--permission-mode <mode>', 'permission mode').choices(PERMISSION_MODES))
    .option('--env <name=value>', 'variable for tools; may repeat', pair)
    .option('--credential <name>', 'name of the credential to use')
    .option('--output-schema <file>', 'file with the JSON Schema of the structured output')
    .option('--max-budget-usd <usd>', 'most that all turns together may cost', number)
    .option('--ttl-ms <ms>', 'how long it is kept after its last turn', number)
    .option('--label <label>', 'label that a worker must have; may repeat', list)
    .option('--metadata <key=value>', 'kept with the session; may repeat', pair)
    .option('--json', 'print the session as JSON')
}

function addMaking(sessions: Command, { action, terminal, printJson, printLines }: Commands): void {
  const { readFile } = terminal
  const made = (flags: CreateFlags, ask: (client: FleetClient, input: SessionInput) => Promise<{ id: string }>) => {
    const input = inputOf(flags, readFile)
    return withClient(terminal, async (client) => {
      const session = await ask(client, input)
      if (wantsJson(flags.json, sessions)) printJson(session)
      else printLines([session.id])
      return EXIT.ok
    })
  }

  const create = sessions.command('create').description('create a session, and print its id')
  addSessionOptions(create, { cwd: true })
    .option('--idempotency-key <key>', 'makes the call safe to repeat for 24 h')
    .addHelpText('after', examples('claude-fleet sessions create --cwd my-project --allowed-tools Read'))
    .action(
      action((flags: CreateFlags) =>
        made(flags, (client, input) => client.sessions.create(input, { idempotencyKey: flags.idempotencyKey })),
      ),
    )
  const fork = sessions
    .command('fork')
    .description('create a session that goes on from the memory of another, and print its id')
    .argument('<id>', 'session id')
  addSessionOptions(fork, { cwd: false })
    .addHelpText('after', examples('claude-fleet sessions fork s_... --model opus'))
    .action(
      action((text: string, flags: CreateFlags) => {
        const id = sessionId(text)
        return made(flags, (client, input) => client.sessions.fork(id, input))
      }),
    )
  const restore = sessions
    .command('import')
    .description('create a session with a memory that was exported, and print its id')
    .argument('<file>', 'file with the lines of `sessions export`')
  addSessionOptions(restore, { cwd: true })
    .addHelpText('after', examples('claude-fleet sessions import memory.jsonl --cwd my-project'))
    .action(
      action((file: string, flags: CreateFlags) =>
        made(flags, (client, input) => client.sessions.import({ ...input, transcript: readFile(file) })),
      ),
    )
}

function addOne(sessions: Command, { action, terminal, printJson, printLines }: Commands): void {
  const style = styleOf(terminal.stdout, terminal.env)

  /** A command about one session. `ask` resolves to what is printed as JSON, and as lines. */
  function one(
    name: string,
    { description, json }: { description: string; json: string },
    ask: (client: FleetClient, id: string) => Promise<{ value: unknown; lines: string[] }>,
  ): void {
    sessions
      .command(name)
      .description(description)
      .argument('<id>', 'session id')
      .option('--json', `print ${json} as JSON`)
      .addHelpText('after', examples(`claude-fleet sessions ${name} s_...`))
      .action(
        action((text: string, { json: asked }: JsonFlag) => {
          const id = sessionId(text)
          return withClient(terminal, async (client) => {
            const { value, lines } = await ask(client, id)
            if (wantsJson(asked, sessions)) printJson(value)
            else printLines(lines)
            return EXIT.ok
          })
        }),
      )
  }

  one('get', { description: 'show a session', json: 'it' }, async (client, id) => {
    const value = await client.sessions.get(id)
    return { value, lines: sessionLines(value, { now: Date.now(), style }) }
  })
  const closing = { description: 'cancel its turns and remove its memory', json: 'the session' }
  one('close', closing, async (client, id) => ({ value: await client.sessions.close(id), lines: [`${id} closed`] }))
  const exporting = { description: 'print its memory, one JSON object a line', json: '{"transcript"}' }
  one('export', exporting, async (client, id) => {
    const transcript = await client.sessions.export(id)
    return { value: { transcript }, lines: transcript.split('\n').filter((line) => line !== '') }
  })
}

function inputOf(flags: CreateFlags, readFile: (path: string) => string): SessionInput {
  const { json: _json, idempotencyKey: _key, label, outputSchema, ...fields } = flags
  return {
    ...fields,
    ...(label === undefined ? {} : { labels: label }),
    ...(outputSchema === undefined ? {} : { outputSchema: readSchema(outputSchema, readFile) }),
  }
}

/** Commander gives an option of the same name to the command above. */
function wantsJson(own: boolean | undefined, sessions: Command): boolean {
  return own === true || sessions.opts<JsonFlag>().json === true
}
