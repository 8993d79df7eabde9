import { CronExpressionParser, type CronExpression } from 'cron-parser'

const FIELD = /^[\dA-Za-z*?,/#-]+$/

/**
 * What is wrong with a cron expression as a sentence without its subject, or undefined. Five fields (minute, hour, day of
 * month, month, day of week), six with a second before them, or a name such as `@daily`; read by the parser that the
 * queue uses. Refused is what runs more often than once a minute, what never comes, and `H`, which is another time at
 * each look.
 */
export function cronFault(cron: string): string | undefined {
  const fields = cron.split(/\s+/)
  const isName = fields.length === 1 && /^@[a-z]+$/.test(cron)
  if (!isName && fields.length !== 5 && fields.length !== 6) {
    return 'must have five fields (minute hour day-of-month month day-of-week), or six with a second before them'
  }
  if (!isName && !fields.every((field) => FIELD.test(field))) return 'has characters that no cron expression has'
  if (!isName && fields.some((field) => /(^|[,/-])[Hh]([,/-]|$)/.test(field))) return 'must name its times; H is none'
  let parsed: CronExpression
  try {
    parsed = CronExpressionParser.parse(cron, { currentDate: new Date(), tz: 'UTC' })
  } catch (error) {
    return `is no cron expression: ${error instanceof Error ? error.message : String(error)}`
  }
  if (parsed.fields.second.values.length > 1) return 'must not run more often than once a minute'
  return nextOf(parsed) === undefined ? 'names a time that never comes' : undefined
}

/** Does this host know the zone? An IANA name such as `Europe/Berlin`; offsets such as `+02:00` are none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/**
 * The first time of a cron expression after a moment, both ms since the epoch. Undefined when none comes. A time that a
 * zone skips when its clocks go forward comes an hour later by the clock on the wall; one that it has twice comes once,
 * the first time. Throws what the parser throws for an expression that is none.
 */
export function nextTick(cron: string, timeZone: string, after: number): number | undefined {
  return nextOf(CronExpressionParser.parse(cron, { currentDate: new Date(after), tz: timeZone }))
}

/**
 * The last time at or before `now` of a schedule whose time `tick` has come: after a standstill, the latest of its
 * missed times. Looks back at most `reachMs`; when none lies in that, it is `tick` itself.
 */
export function latestTick(
  cron: string,
  timeZone: string,
  { tick, now, reachMs }: { tick: number; now: number; reachMs: number },
): number {
  // Forwards alone: going back, the parser leaves out the times that a zone moves when its clocks go forward.
  const currentDate = new Date(Math.max(tick, now - reachMs - 1))
  const times = CronExpressionParser.parse(cron, { currentDate, tz: timeZone })
  let latest = tick
  for (let next = nextOf(times); next !== undefined && next <= now; next = nextOf(times)) latest = next
  return latest
}

/** The parser's only way to say that none comes is to throw. */
function nextOf(times: CronExpression): number | undefined {
  try {
    return times.next().toDate().getTime()
  } catch {
    return undefined
  }
}
