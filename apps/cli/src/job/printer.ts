import type { StreamEvent } from '@claude-fleet/core'
import type { Terminal } from '../terminal.js'
import { duration, tokens, usd } from '../text/figures.js'
import { createPrintablePieces, printable, styleOf } from '../text/style.js'
import { createStatusLine } from './status-line.js'

/** Shows a job's events to a person or a pipe. */
export interface Printer {
  /** The job is known; its events follow. */
  begin(jobId: string): void
  print(event: StreamEvent): void
  /** One line on stderr, for people; with `json` an object `{note}`. */
  note(line: string): void
  /** Leaves the terminal as it was found. May be called more than once. */
  end(): void
}

/**
 * The answer's text goes to stdout as it comes and nothing else does. With `json`, each event is one line of stdout.
 * A status line is kept on stderr only where that is a terminal; what went wrong with a job is always said there. Text
 * that others wrote reaches a terminal without its escape sequences, and a pipe as it is.
 */
export function createPrinter(
  terminal: Pick<Terminal, 'stdout' | 'stderr' | 'env'>,
  options: { json: boolean; now: () => number },
): Printer {
  const { stdout, stderr } = terminal
  const style = styleOf(stderr, terminal.env)
  const status = createStatusLine(terminal, { quiet: options.json, now: options.now })
  const pieces = createPrintablePieces()
  let lineOpen = false
  // Has the answer's own text been shown? A structured output, for one, comes only with the result.
  let answered = false

  const write = (text: string) => {
    // The answer and the status would share one row; also behind a pipe, whose reader may write to this terminal.
    status.hide()
    const shown = stdout.isTTY ? pieces.push(text) : text
    stdout.write(shown)
    if (shown !== '') lineOpen = !shown.endsWith('\n')
  }
  const closeLine = () => {
    stdout.write(pieces.rest())
    if (lineOpen) write('\n')
    lineOpen = false
  }
  const note = (line: string, paint = style.dim) => {
    if (options.json) return void stderr.write(`${JSON.stringify({ note: line })}\n`)
    status.hide()
    if (stdout.isTTY) closeLine()
    stderr.write(`${paint(printable(line).replaceAll(/\s+/g, ' '))}\n`)
  }

  const printText = (event: StreamEvent) => {
    switch (event.type) {
      case 'queued':
        return status.say('queued')
      case 'started':
        status.about(event.worker)
        return status.say('waiting for the model')
      case 'thinking':
        return status.say('thinking')
      case 'text':
        answered = true
        return write(event.text)
      case 'text_reset':
        answered = false
        closeLine()
        return note('the connection to the model broke; the text above is void and comes again')
      case 'tool_use':
        answered = false
        closeLine()
        return status.say(`using ${event.name}`)
      case 'tool_result':
        return status.say('waiting for the model')
      case 'retry': {
        const { attempt, error, delayMs } = event
        answered = false
        closeLine()
        note(`attempt ${attempt} failed (${error.code}: ${error.message}); again in ${duration(delayMs)}`, style.warn)
        return status.say('waiting for the next attempt')
      }
      case 'parked':
        closeLine()
        note(
          `parked until ${event.resumesAt === undefined ? 'its credential is resumed' : new Date(event.resumesAt).toISOString()} (${event.error.code}: ${event.error.message})`,
          style.warn,
        )
        return status.say('parked')
      case 'failed':
        closeLine()
        return note(`failed: ${event.error.code}: ${event.error.message}`, style.bad)
      case 'cancelled':
        closeLine()
        return note(`cancelled: ${event.reason}`, style.warn)
      case 'gap':
        return note(`events ${event.from} to ${event.to} are no longer kept`, style.warn)
      case 'completed': {
        const { durationMs, usage, costUsd, start, worker, text } = event.result
        if (!answered && text !== '') write(text)
        closeLine()
        if (!stderr.isTTY) return
        return note(`${duration(durationMs)} on ${worker}, ${start} start, ${tokens(usage)}, ${usd(costUsd)}`)
      }
      case 'log':
        return
    }
  }

  return {
    begin: (jobId) => status.about(jobId),
    print: options.json ? (event) => void stdout.write(`${JSON.stringify(event)}\n`) : printText,
    note,
    end() {
      if (!options.json) closeLine()
      status.end()
    },
  }
}
