import stringWidth from 'string-width'
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
 * (but `0` and `false`) asks for them anywhere.
 */
export function styleOf(stream: Stream, env: Terminal['env']): Style {
  const forced = env['FORCE_COLOR']
  const wanted = forced ? forced !== '0' && forced !== 'false' : stream.isTTY && env['TERM'] !== 'dumb'
  const on = !env['NO_COLOR'] && wanted
  const paint = (open: number, close: number) => (text: string) =>
    on && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return { dim: paint(2, 22), bold: paint(1, 22), good: paint(32, 39), bad: paint(31, 39), warn: paint(33, 39) }
}

/** CSI sequences, such as colours, and OSC and its kin up to their end: whole ones, as they stand in one text. */
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)/g

/**
 * What a terminal may be shown of text that others wrote: without escape sequences, control characters and marks that
 * turn the reading direction. Line breaks and tabs stay.
 */
export function printable(text: string): string {
  return text
    .replaceAll(ESCAPES, '')
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '')
}

/** As `printable`, for a text that comes in pieces which may cut a sequence in two. */
export interface PrintablePieces {
  /** What of the text so far may be shown now. */
  push(piece: string): string
  /** What was held back, when nothing more comes. */
  rest(): string
}

/** The beginning of a sequence at the end of a piece; a longer one is no sequence any more. */
const OPEN_ESCAPE = /\u001b(?:\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\u0007\u001b\u009c\n]{0,1024}\u001b?)?$/

export function createPrintablePieces(): PrintablePieces {
  let held = ''
  return {
    push(piece) {
      const text = held + piece
      const at = text.search(OPEN_ESCAPE)
      held = at < 0 ? '' : text.slice(at)
      return printable(at < 0 ? text : text.slice(0, at))
    },
    rest() {
      const rest = printable(held)
      held = ''
      return rest
    },
  }
}

/** On one line, and at most `columns` cells of a terminal wide where that is known. */
export function oneLine(text: string, columns: number | undefined): string {
  const line = printable(text).replaceAll(/\s+/g, ' ').trim()
  if (!columns || stringWidth(line) <= columns) return line
  const mark = columns > 3 ? '...' : ''
  let cut = ''
  let width = 0
  for (const { segment } of GRAPHEMES.segment(line)) {
    width += stringWidth(segment)
    if (width > columns - mark.length) break
    cut += segment
  }
  return cut + mark
}

/** `text` with spaces up to `columns` cells, on the side that is not its own. */
export function padded(
  text: string,
  columns: number,
  side: 'left' | 'right',
  paint = (shown: string) => shown,
): string {
  const space = ' '.repeat(Math.max(0, columns - stringWidth(text)))
  return side === 'left' ? paint(text) + space : space + paint(text)
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
