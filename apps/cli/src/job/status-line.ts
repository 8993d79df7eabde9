import type { Terminal } from '../terminal.js'
import { duration } from '../text/figures.js'
import { oneLine, styleOf } from '../text/style.js'

/** The one line at the foot of a terminal that says what is going on. */
export interface StatusLine {
  /** What the line is about: the job, then its worker. */
  about(name: string): void
  /** What is going on, from now on. */
  say(text: string): void
  /** Clears the row, for something else to be written; the line stays away until `say`. */
  hide(): void
  /** Clears the row for good and lets go of the clock. */
  end(): void
}

const TICK_MS = 1_000
/** Of a terminal that does not say how wide it is. */
const COLUMNS = 80

/**
 * A status line on stderr, where that is a terminal that can clear a row, and nothing anywhere else. ASCII alone: no
 * terminal or locale shows it wrong. Its clock does not keep the process alive.
 */
export function createStatusLine(
  { stderr, env }: Pick<Terminal, 'stderr' | 'env'>,
  { quiet, now }: { quiet: boolean; now: () => number },
): StatusLine {
  const on = !quiet && stderr.isTTY && env['TERM'] !== 'dumb'
  const style = styleOf(stderr, env)
  const beganAt = now()
  let subject = ''
  let doing = ''
  let drawn = false

  const clear = () => {
    if (drawn) stderr.write('\r\u001b[K')
    drawn = false
  }
  const draw = () => {
    if (!on || doing === '') return
    clear()
    const elapsed = duration(Math.floor((now() - beganAt) / 1_000) * 1_000).replace(/\.0 s$/, ' s')
    const line = [subject, doing, elapsed === '0 ms' ? '' : elapsed].filter((part) => part !== '').join(', ')
    // The last cell stays free: some terminals go to the next row when it is written.
    stderr.write(style.dim(oneLine(line, Math.max(1, (stderr.columns || COLUMNS) - 1))))
    drawn = true
  }
  const ticking = on ? setInterval(draw, TICK_MS).unref() : undefined
  return {
    about: (name) => void (subject = name),
    say(text) {
      doing = text
      draw()
    },
    hide() {
      doing = ''
      clear()
    },
    end() {
      clearInterval(ticking)
      doing = ''
      clear()
    },
  }
}
