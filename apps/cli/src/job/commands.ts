import type { Commands } from '../commands.js'
import { addCancelCommand } from './cancel.js'
import { addLookCommands } from './look.js'
import { addStreamCommands } from './stream.js'

/** `run`, `enqueue`, `tail`, `retry`; `get`, `jobs`; `cancel`. */
export function addJobCommands(commands: Commands): void {
  addStreamCommands(commands)
  addLookCommands(commands)
  addCancelCommand(commands)
}
