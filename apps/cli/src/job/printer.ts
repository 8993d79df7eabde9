import type { StreamEvent } from '@claude-fleet/core'
import type { Terminal } from '../terminal.js'

/** Shows a job's events to a person or a pipe. */
export interface Printer {
  print(event: StreamEvent): void
  /** One line on stderr, for people. */
  note(line: string): void
  /** Leaves the terminal as it was found. */
  end(): void
}

/**
 * The answer's text goes to stdout as it comes and nothing else does. With `json`, each event is one line of stdout.
 * A status line is kept on stderr only where that is a terminal; what ended a job badly is always said there.
 */
export function createPrinter(
  terminal: Pick<Terminal, 'stdout' | 'stderr' | 'env'>,
  options: { json: boolean },
): Printer {
  const { stdout, stderr } = terminal
  const color = stderr.isTTY && !terminal.env['NO_COLOR'] && terminal.env['TERM'] !== 'dumb'
  const dim = (text: string) => (color ? `\u001b[2m${text}\u001b[22m` : text)
  let lineOpen = false
  let statusShown = false
  // Has the answer's own text been shown? A structured output, for one, comes only with the result.
  let answered = false

  const clearStatus = () => {
    if (statusShown) stderr.write('\r\u001b[K')
    statusShown = false
  }
  const status = (text: string) => {
    // A status would break into a line of the answer that is still being written.
    if (!stderr.isTTY || (lineOpen && stdout.isTTY)) return
    clearStatus()
    stderr.write(dim(oneLine(text, stderr.columns)))
    statusShown = true
  }
  const closeLine = () => {
    if (lineOpen) stdout.write('\n')
    lineOpen = false
  }
  const note = (line: string) => {
    clearStatus()
    if (stdout.isTTY) closeLine()
    stderr.write(`${dim(printable(line))}\n`)
  }

  const printText = (event: StreamEvent) => {
    switch (event.type) {
      case 'text':
        clearStatus()
        stdout.write(stdout.isTTY ? printable(event.text) : event.text)
        if (event.text !== '') lineOpen = !event.text.endsWith('\n')
        answered = true
        break
      case 'text_reset':
        closeLine()
        answered = false
        note('the connection to the model broke; the text above is void and comes again')
        break
      case 'queued':
        status('queued')
        break
      case 'started':
        status(`running on ${event.worker}`)
        break
      case 'thinking':
        status('thinking')
        break
      case 'tool_use':
        closeLine()
        answered = false
        status(`using ${event.name}`)
        break
      case 'retry':
        closeLine()
        note(
          `attempt ${event.attempt} failed (${event.error.code}: ${event.error.message}); again in ${event.delayMs} ms`,
        )
        break
      case 'parked':
        note(`parked until ${new Date(event.resumesAt).toISOString()} (${event.error.code}: ${event.error.message})`)
        break
      case 'failed':
        note(`failed: ${event.error.code}: ${event.error.message}`)
        break
      case 'cancelled':
        note(`cancelled: ${event.reason}`)
        break
      case 'gap':
        note(`events ${event.from} to ${event.to} are no longer kept`)
        break
      case 'completed':
        clearStatus()
        if (!answered && event.result.text !== '') stdout.write(`${event.result.text}\n`)
        break
      case 'tool_result':
      case 'log':
        break
    }
  }

  return {
    print: options.json ? (event) => void stdout.write(`${JSON.stringify(event)}\n`) : printText,
    note,
    end() {
      clearStatus()
      if (!options.json) closeLine()
    },
  }
}

/** Without the control characters that could move the cursor or write to the clipboard; line breaks and tabs stay. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')
}

function oneLine(text: string, columns: number): string {
  return printable(text)
    .replaceAll(/\s+/g, ' ')
    .slice(0, Math.max(0, columns - 1))
}
