import type { Commands } from '../commands.js'
import { demo } from '../demo/demo.js'
import { serveApi, serveWorker } from './roles.js'
import { up } from './up.js'

/** `up`, `demo` and the services, each of which runs in this process. */
export function addServiceCommands({ command, action, terminal }: Commands): void {
  command('up', 'run the whole fleet on this machine')
    .option('--json', 'print one JSON object when it is up, on stderr')
    .action(action((flags: { json?: boolean }) => up(flags, terminal)))
  command('demo', 'run three prompts on a private fleet with a simulated model')
    .option('--live', 'use your own account instead of the simulated model; asks first')
    .option('--json', 'print the three results, one JSON object a line')
    .action(action((flags: { live?: boolean; json?: boolean }) => demo(flags, terminal)))
  command('api', 'run the HTTP API in this process')
    .option('--json', 'changes nothing: the log is JSON lines')
    .action(action(() => serveApi(terminal)))
  command('worker', 'run a worker in this process')
    .option('--json', 'changes nothing: the log is JSON lines')
    .action(action(() => serveWorker(terminal)))
}
