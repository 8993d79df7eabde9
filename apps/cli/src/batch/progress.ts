import { createStatusLine } from '../job/status-line.js'
import { say, type Terminal } from '../terminal.js'
import { duration, usd } from '../text/figures.js'
import { oneLine } from '../text/style.js'
import type { Summary } from './summary.js'

/** How far a batch is, on stderr. */
export interface Progress extends Disposable {
  /** Says one line, above the bar where there is one. */
  note(line: string): void
}

const DRAW_MS = 250
const PLAIN_MS = 10_000
const BAR_CELLS = 20

/**
 * A bar in a terminal; anywhere else a line every 10 s; nothing when `quiet`. `measure` gives the state of now, its `ms`
 * since this run began.
 */
export function showProgress(terminal: Terminal, measure: () => Summary, { quiet }: { quiet: boolean }): Progress {
  const { stderr, env } = terminal
  const isLive = !quiet && stderr.isTTY && env['TERM'] !== 'dumb'
  const status = createStatusLine(terminal, { quiet, now: Date.now })
  const before = endedOf(measure())
  const draw = () => status.say(`${bar(measure())} ${figures(measure(), before)}`)
  const tell = () => say(terminal, figures(measure(), before))
  const timer = quiet ? undefined : setInterval(isLive ? draw : tell, isLive ? DRAW_MS : PLAIN_MS)
  if (isLive) draw()
  return {
    note(line) {
      const text = oneLine(line, undefined)
      if (quiet) return say(terminal, JSON.stringify({ note: text }))
      status.hide()
      say(terminal, text)
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      status.end()
    },
  }
}

function bar(summary: Summary): string {
  const cells = Math.floor((BAR_CELLS * endedOf(summary)) / summary.jobs)
  return `[${'#'.repeat(cells)}${'-'.repeat(BAR_CELLS - cells)}]`
}

/** `before`: jobs that had ended when this run began. They say nothing of its speed. */
function figures(summary: Summary, before: number): string {
  const { jobs, left, completed, costUsd, ms } = summary
  const ended = endedOf(summary)
  const perSecond = ms > 0 ? ((ended - before) * 1_000) / ms : 0
  const parts = [`${ended}/${jobs}`, `${Math.floor((100 * ended) / jobs)}%`]
  if (ended > completed) parts.push(`${ended - completed} not completed`)
  if (perSecond > 0) parts.push(rate(perSecond))
  parts.push(usd(costUsd))
  if (perSecond > 0 && left > 0) parts.push(`${duration((left * 1_000) / perSecond)} to go`)
  return parts.join(', ')
}

function endedOf({ jobs, left }: Summary): number {
  return jobs - left
}

function rate(perSecond: number): string {
  return perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(perSecond * 60).toFixed(1)}/min`
}
