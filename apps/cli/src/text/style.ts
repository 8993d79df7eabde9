import type { Terminal } from '../terminal.js'

type Stream = Pick<Terminal['stdout'], 'isTTY'>

/** Wraps text in a colour, or leaves it as it is. */
export interface Style {
  dim(text: string): string
  bold(text: string): string
  good(text: string): string
  bad(text: string): string
  warn(text: string): string
}

/**
 * Colours for what is written to `stream`: only to a terminal that is not `dumb`, never with `NO_COLOR`; `FORCE_COLOR`
 * (but `0`) asks for them anywhere.
 */
export function styleOf(stream: Stream, env: Terminal['env']): Style {
  const forced = env['FORCE_COLOR']
  const on = !env['NO_COLOR'] && (forced ? forced !== '0' : stream.isTTY && env['TERM'] !== 'dumb' && forced !== '0')
  const paint = (open: number, close: number) => (text: string) =>
    on && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return { dim: paint(2, 22), bold: paint(1, 22), good: paint(32, 39), bad: paint(31, 39), warn: paint(33, 39) }
}

/** Without the control characters that could move the cursor or write to the clipboard; line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '')
}

/** On one line, and at most `columns` characters where that is known. */
export function oneLine(text: string, columns: number | undefined): string {
  const line = printable(text).replaceAll(/\s+/g, ' ').trim()
  if (!columns || line.length <= columns) return line
  return `${line.slice(0, Math.max(0, columns - 1))}…`
}
