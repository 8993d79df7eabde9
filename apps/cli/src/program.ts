import { Command, CommanderError } from 'commander'
import { addBatchCommand } from './batch/commands.js'
import type { Commands } from './commands.js'
import { addCompletion } from './completion/commands.js'
import { describeError, EXIT, type Problem } from './exit-code.js'
import { addDoctor } from './doctor/commands.js'
import { addFleetCommands } from './fleet/commands.js'
import { addCredentialCommands } from './fleet/credentials.js'
import { addJobCommands } from './job/commands.js'
import { addAuditCommands } from './audit/commands.js'
import { addKeyCommands } from './keys/commands.js'
import { addSessionCommands } from './session/commands.js'
import { addScheduleCommands } from './schedule/commands.js'
import { addServiceCommands } from './service/commands.js'
import { say, type Terminal } from './terminal.js'
import { oneLine, styleOf } from './text/style.js'
import { VERSION } from './version.js'
import { addWebhookCommands } from './webhooks/commands.js'

/** Runs the command line. Resolves to the exit code; never rejects. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.ok
  const json = wantsJson(args)
  const program = createProgram(terminal, { json, done: (code) => (exitCode = code) })
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has already printed the help, the version or what was wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    const { exitCode: code, line, problem } = describeError(error)
    sayError(terminal, { json, line, problem, exitCode: code })
    return code
  }
}

/** Is `--json` among the options? Behind `--` it is a prompt. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

/** One line on stderr, whatever went wrong: a sentence, or with `--json` an object. */
function sayError(
  terminal: Terminal,
  { json, line, problem, exitCode }: { json: boolean; line: string; problem: Problem; exitCode: number },
): void {
  if (json) say(terminal, JSON.stringify({ error: problem, exitCode }))
  else say(terminal, styleOf(terminal.stderr, terminal.env).bad(`claude-fleet: ${oneLine(line, undefined)}`))
}

/** The program with all its commands. `done` gets the exit code of the one that ran. */
export function createProgram(
  terminal: Terminal,
  { json, done }: { json: boolean; done: (exitCode: number) => void },
): Command {
  const program = new Command('claude-fleet')
    .description('A job-queue worker fleet for the claude command line')
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      outputError: (text) => {
        const message = oneLine(text.replace(/^error: /, ''), undefined)
        const problem = { code: 'USAGE', message, retryable: false }
        sayError(terminal, { json, line: `${message}; --help tells more`, problem, exitCode: EXIT.usage })
      },
    })
    .addHelpText(
      'after',
      `
The fleet is at FLEET_URL (with FLEET_API_KEY), else at REDIS_URL.
Exit codes: 0 ok, 1 the job failed, 2 bad usage, 69 fleet unreachable, 75 parked by a usage limit, 78 bad settings,
124 timed out, 130 interrupted.`,
    )
  const commands: Commands = {
    terminal,
    command: (name, description) => program.command(name).description(description),
    action:
      (run) =>
      async (...args) =>
        done(await run(...args)),
    printJson: (value) => void terminal.stdout.write(`${JSON.stringify(value)}\n`),
    printLines: (lines) => void terminal.stdout.write(lines.map((line) => `${line}\n`).join('')),
  }
  addJobCommands(commands)
  addBatchCommand(commands)
  addSessionCommands(commands)
  addScheduleCommands(commands)
  addFleetCommands(commands)
  addCredentialCommands(commands)
  addWebhookCommands(commands)
  addKeyCommands(commands)
  addAuditCommands(commands)
  addDoctor(commands)
  addServiceCommands(commands)
  addCompletion(program, commands)
  return program
}
