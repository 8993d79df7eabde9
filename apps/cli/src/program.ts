import { Command, CommanderError } from 'commander'
import type { Commands } from './commands.js'
import { addCompletion } from './completion/commands.js'
import { describeError, EXIT } from './exit-code.js'
import { addFleetCommands } from './fleet/commands.js'
import { addJobCommands } from './job/commands.js'
import { addServiceCommands } from './service/commands.js'
import { say, type Terminal } from './terminal.js'
import { styleOf } from './text/style.js'
import { VERSION } from './version.js'

/** Runs the command line. Resolves to the exit code; never rejects. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.ok
  const program = createProgram(terminal, (code) => (exitCode = code))
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has already printed the help, the version or what was wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    const { exitCode: code, line, problem } = describeError(error)
    if (args.includes('--json')) say(terminal, JSON.stringify({ error: problem, exitCode: code }))
    else say(terminal, styleOf(terminal.stderr, terminal.env).bad(`claude-fleet: ${line}`))
    return code
  }
}

function createProgram(terminal: Terminal, done: (exitCode: number) => void): Command {
  const program = new Command('claude-fleet')
    .description('A job-queue worker fleet for the claude command line')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(--help tells more)')
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
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
  }
  addJobCommands(commands)
  addFleetCommands(commands)
  addServiceCommands(commands)
  addCompletion(program, commands)
  return program
}
