import { examples, type Commands, type JsonFlag } from '../commands.js'

/**
 * `up`, `demo` and the services, each of which runs in this process. Each is loaded
 * when it is called: a shell that completes a word, or `run`, does not wait for a server.
 */
export function addServiceCommands({ command, action, terminal }: Commands): void {
  command('up', 'run the whole fleet on this machine')
    .option('--json', 'print one JSON object when it is up, on stderr')
    .addHelpText(
      'after',
      examples('claude-fleet up', 'REDIS_URL=redis://127.0.0.1:6379 FLEET_API_PORT=8080 claude-fleet up'),
    )
    .action(action(async (flags: JsonFlag) => (await import('./up.js')).up(flags, terminal)))
  command('demo', 'run three prompts on a private fleet with a simulated model')
    .option('--live', 'use your own account instead of the simulated model; asks first')
    .option('--json', 'print the three results, one JSON object a line')
    .addHelpText('after', examples('claude-fleet demo', 'ANTHROPIC_API_KEY=... claude-fleet demo --live'))
    .action(
      action(async (flags: JsonFlag & { live?: boolean }) => (await import('../demo/demo.js')).demo(flags, terminal)),
    )
  command('api', 'run the HTTP API in this process')
    .option('--json', 'changes nothing: the log is JSON lines')
    .addHelpText('after', examples('REDIS_URL=redis://127.0.0.1:6379 claude-fleet api'))
    .action(action(async () => (await import('./roles.js')).serveApi(terminal)))
  command('board', "run the operators' site in this process")
    .option('--json', 'changes nothing: the log is JSON lines')
    .addHelpText('after', examples('REDIS_URL=redis://127.0.0.1:6379 FLEET_ADMIN_PASSWORD=... claude-fleet board'))
    .action(action(async () => (await import('./roles.js')).serveBoard(terminal)))
  command('worker', 'run a worker in this process')
    .option('--json', 'changes nothing: the log is JSON lines')
    .addHelpText('after', examples('REDIS_URL=redis://127.0.0.1:6379 FLEET_CONCURRENCY=4 claude-fleet worker'))
    .action(action(async () => (await import('./roles.js')).serveWorker(terminal)))
}
