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

/** Further back than any zone sets its clocks. */
const LOOK_BACK_MS = 3 * 3_600_000

/**
 * The first time of a cron expression after a moment, both ms since the epoch. Undefined when none comes. A time that a
 * zone skips when its clocks go forward comes an hour later by the clock on the wall; one that it has twice comes once,
 * the first time. Throws what the parser throws for an expression that is none.
 */
export function nextTick(cron: string, timeZone: string, after: number): number | undefined {
  for (const time of timesAfter(cron, timeZone, after)) return time
  return undefined
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
  let latest = tick
  for (const time of timesAfter(cron, timeZone, Math.max(tick, now - reachMs - 1))) {
    if (time > now) break
    latest = time
  }
  return latest
}

/**
 * The parser sees the clock on the wall: asked within the hour that a zone has twice it gives that hour's times again,
 * and within the one that it skips it leaves them out. So where the clocks were just set, it is asked from before that on.
 */
function* timesAfter(cron: string, timeZone: string, after: number): Generator<number> {
  const isJustSet = offsetAt(timeZone, after - LOOK_BACK_MS) !== offsetAt(timeZone, after)
  const currentDate = new Date(isJustSet ? after - LOOK_BACK_MS : after)
  const times = CronExpressionParser.parse(cron, { currentDate, tz: timeZone })
  for (let next = nextOf(times); next !== undefined; next = nextOf(times)) if (next > after) yield next
}

const offsets = new Map<string, Intl.DateTimeFormat>()

/** How far a zone is from UTC, as a text to be compared. */
function offsetAt(timeZone: string, at: number): string | undefined {
  let format = offsets.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
    offsets.set(timeZone, format)
  }
  return format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value
}

/** The parser's only way to say that none comes is to throw. */
function nextOf(times: CronExpression): number | undefined {
  try {
    return times.next().toDate().getTime()
  } catch {
    return undefined
  }
}
