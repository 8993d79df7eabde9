import type { StreamEvent } from '@claude-fleet/core'
import type { Terminal } from '../terminal.js'
import { duration, tokens, usd } from '../text/figures.js'
import { oneLine, printable, styleOf } from '../text/style.js'

/** Shows a job's events to a person or a pipe. */
export interface Printer {
  print(event: StreamEvent): void
  /** One line on stderr, for people. */
  note(line: string): void
  /** Leaves the terminal as it was found. */
  end(): void
}

const TICK_MS = 1_000

/**
 * The answer's text goes to stdout as it comes and nothing else does. With `json`, each event is one line of stdout.
 * A status line is kept on stderr only where that is a terminal; what ended a job badly is always said there.
 */
export function createPrinter(
  terminal: Pick<Terminal, 'stdout' | 'stderr' | 'env'>,
  options: { json: boolean; now: () => number },
): Printer {
  const { stdout, stderr } = terminal
  const style = styleOf(stderr, terminal.env)
  const beganAt = options.now()
  let doing = ''
  let shown = false
  let lineOpen = false
  // Has the answer's own text been shown? A structured output, for one, comes only with the result.
  let answered = false

  const clearStatus = () => {
    if (shown) stderr.write('\r\u001b[K')
    shown = false
  }
  const draw = () => {
    // A status would break into a line of the answer that is still being written.
    if (doing === '' || !stderr.isTTY || (lineOpen && stdout.isTTY)) return
    clearStatus()
    const line = `${doing} · ${Math.floor((options.now() - beganAt) / 1_000)} s`
    stderr.write(style.dim(oneLine(line, (stderr.columns || 80) - 1)))
    shown = true
  }
  const status = (text: string) => {
    doing = text
    draw()
  }
  const ticking = stderr.isTTY && !options.json ? setInterval(draw, TICK_MS) : undefined
  const closeLine = () => {
    if (lineOpen) stdout.write('\n')
    lineOpen = false
  }
  const note = (line: string, paint = style.dim) => {
    clearStatus()
    if (stdout.isTTY) closeLine()
    stderr.write(`${paint(printable(line))}\n`)
  }

  const printText = (event: StreamEvent) => {
    switch (event.type) {
      case 'text':
        clearStatus()
        doing = ''
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
        status(`${event.worker} · waiting for the model`)
        break
      case 'thinking':
        status('thinking')
        break
      case 'tool_use':
        closeLine()
        answered = false
        status(`using ${event.name}`)
        break
      case 'tool_result':
        status('waiting for the model')
        break
      case 'retry':
        closeLine()
        doing = ''
        note(
          `attempt ${event.attempt} failed (${event.error.code}: ${event.error.message}); again in ${duration(event.delayMs)}`,
          style.warn,
        )
        status('waiting for the next attempt')
        break
      case 'parked':
        note(
          `parked until ${new Date(event.resumesAt).toISOString()} (${event.error.code}: ${event.error.message})`,
          style.warn,
        )
        status('parked')
        break
      case 'failed':
        note(`failed: ${event.error.code}: ${event.error.message}`, style.bad)
        break
      case 'cancelled':
        note(`cancelled: ${event.reason}`, style.warn)
        break
      case 'gap':
        note(`events ${event.from} to ${event.to} are no longer kept`, style.warn)
        break
      case 'completed': {
        const { result } = event
        clearStatus()
        if (!answered && result.text !== '') {
          stdout.write(stdout.isTTY ? printable(result.text) : result.text)
          lineOpen = !result.text.endsWith('\n')
        }
        closeLine()
        if (stderr.isTTY)
          note(`${duration(result.durationMs)} · ${tokens(result.usage)} · ${usd(result.costUsd)} · ${result.start}`)
        break
      }
      case 'log':
        break
    }
  }

  return {
    print: options.json ? (event) => void stdout.write(`${JSON.stringify(event)}\n`) : printText,
    note,
    end() {
      clearInterval(ticking)
      doing = ''
      clearStatus()
      if (!options.json) closeLine()
    },
  }
}
