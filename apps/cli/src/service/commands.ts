import { examples, type Commands } from '../commands.js'
import { demo } from '../demo/demo.js'
import { serveApi, serveBoard, serveWorker } from './roles.js'
import { up } from './up.js'

/** `up`, `demo` and the services, each of which runs in this process. */
export function addServiceCommands({ command, action, terminal }: Commands): void {
  command('up', 'run the whole fleet on this machine')
    .option('--json', 'print one JSON object when it is up, on stderr')
    .addHelpText(
      'after',
      examples('claude-fleet up', 'REDIS_URL=redis://127.0.0.1:6379 FLEET_API_PORT=8080 claude-fleet up'),
    )
    .action(action((flags: { json?: boolean }) => up(flags, terminal)))
  command('demo', 'run three prompts on a private fleet with a simulated model')
    .option('--live', 'use your own account instead of the simulated model; asks first')
    .option('--json', 'print the three results, one JSON object a line')
    .addHelpText('after', examples('claude-fleet demo', 'ANTHROPIC_API_KEY=... claude-fleet demo --live'))
    .action(action((flags: { live?: boolean; json?: boolean }) => demo(flags, terminal)))
  command('api', 'run the HTTP API in this process')
    .option('--json', 'changes nothing: the log is JSON lines')
    .addHelpText('after', examples('REDIS_URL=redis://127.0.0.1:6379 claude-fleet api'))
    .action(action(() => serveApi(terminal)))
  command('board', "run the operators' site in this process")
    .option('--json', 'changes nothing: the log is JSON lines')
    .action(action(() => serveBoard(terminal)))
  command('worker', 'run a worker in this process')
    .option('--json', 'changes nothing: the log is JSON lines')
    .addHelpText('after', examples('REDIS_URL=redis://127.0.0.1:6379 FLEET_CONCURRENCY=4 claude-fleet worker'))
    .action(action(() => serveWorker(terminal)))
}
