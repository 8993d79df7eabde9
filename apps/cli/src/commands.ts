import type { Command } from 'commander'
import type { Terminal } from './terminal.js'

/** What adding commands takes. */
export interface Commands {
  terminal: Terminal
  /** A new command of the program. */
  command(name: string, description: string): Command
  /** Makes commander's action of a function that resolves to an exit code. */
  action<A extends unknown[]>(run: (...args: A) => Promise<number>): (...args: A) => Promise<void>
  /** Writes one JSON document as a line of stdout. */
  printJson(value: unknown): void
  /** Writes lines to stdout. */
  printLines(lines: readonly string[]): void
}

/** The flag that every command has. */
export interface JsonFlag {
  json?: boolean
}

/** Examples at the foot of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`
}
