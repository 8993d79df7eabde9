import type { Command } from 'commander'
import type { Terminal } from './terminal.js'

/** What adding commands takes. */
export interface Commands {
  terminal: Terminal
  /** A new command of the program. */
  command(name: string, description: string): Command
  /** Makes commander's action of a function that resolves to an exit code. */
  action<A extends unknown[]>(run: (...args: A) => Promise<number>): (...args: A) => Promise<void>
}
