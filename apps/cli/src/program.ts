import { Command, CommanderError } from 'commander'
import { demo } from './demo/demo.js'
import { describeError, EXIT } from './exit-code.js'
import { addJobOptions, type JobFlags } from './job/options.js'
import { run } from './job/run.js'
import { serveApi, serveWorker } from './service/roles.js'
import { up } from './service/up.js'
import { say, type Terminal } from './terminal.js'
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
    const { exitCode: code, line } = describeError(error)
    say(terminal, `claude-fleet: ${line}`)
    return code
  }
}

function createProgram(terminal: Terminal, done: (exitCode: number) => void): Command {
  const program = new Command('claude-fleet')
    .description('A job-queue worker fleet for the claude command line')
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    })
  const command = (name: string, description: string) => program.command(name).description(description)

  command('up', 'run API and worker on this machine').action(async () => done(await up(terminal)))
  command('demo', 'run three prompts on a private fleet with a simulated model')
    .option('--live', 'use your own account instead of the simulated model; asks first')
    .action(async (flags: { live?: boolean }) => done(await demo(flags, terminal)))
  command('api', 'run the HTTP API in this process').action(async () => done(await serveApi(terminal)))
  command('worker', 'run a worker in this process').action(async () => done(await serveWorker(terminal)))
  addJobOptions(
    command('run', 'enqueue a prompt and stream its answer to stdout').argument(
      '<prompt>',
      'the prompt, or - for stdin',
    ),
  )
    .option('--json', 'print events, one JSON object a line')
    .action(async (prompt: string, flags: JobFlags & { json?: boolean }) => done(await run(prompt, flags, terminal)))
  return program
}
