import type { ScheduleRun, ScheduleView } from '@claude-fleet/core'
import { ago, duration } from '../text/figures.js'
import { oneLine, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

interface Look {
  now: number
  style: Style
  width: number | undefined
}

/** A page of schedules as a table. */
export function scheduleTable(schedules: readonly ScheduleView[], look: Look): string[] {
  const { now, style } = look
  const columns: Column<ScheduleView>[] = [
    { title: 'ID', text: ({ id }) => id },
    { title: 'CRON', text: ({ cron }) => cron },
    { title: 'ZONE', text: ({ timeZone }) => timeZone, leaves: 2 },
    {
      title: 'NEXT',
      text: ({ nextRunAt }) => (nextRunAt === undefined ? 'paused' : until(nextRunAt, now)),
      paint: ({ enabled }, text) => (enabled ? text : style.warn(text)),
    },
    { title: 'LAST', text: ({ lastRunAt }) => (lastRunAt === undefined ? '' : ago(lastRunAt, now)), leaves: 1 },
    { title: 'OVERLAP', text: ({ overlap }) => overlap, leaves: 3 },
    { title: 'NAME', text: ({ name = '' }) => name, leaves: 4 },
  ]
  return tableLines(schedules, columns, look)
}

/** A schedule for people. */
export function scheduleLines(schedule: ScheduleView, { now, style }: Omit<Look, 'width'>): string[] {
  const { nextRunAt, lastRunAt, job } = schedule
  const facts: [string, string | undefined][] = [
    ['id', schedule.id],
    ['name', schedule.name],
    ['cron', schedule.cron],
    ['zone', schedule.timeZone],
    ['overlap', schedule.overlap],
    ['catch up', `within ${duration(schedule.catchUpMs)}`],
    ['next', schedule.enabled ? timeOf(nextRunAt, now) : style.warn('paused')],
    ['last', lastRunAt === undefined ? undefined : `${timeOf(lastRunAt, now) ?? ''}, ${schedule.lastJobId ?? ''}`],
    ['created', timeOf(schedule.createdAt, now)],
    ...Object.entries(schedule.metadata).map(([name, value]): [string, string] => [`metadata ${name}`, value]),
    ['model', job?.model],
    ['cwd', job?.cwd],
    ['prompt', job?.prompt],
  ]
  return facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style.dim(oneLine(name, undefined).padEnd(10))} ${shown(name, value)}`],
  )
}

/** What became of the last times of a schedule, as a table. */
export function historyTable(runs: readonly ScheduleRun[], look: Look): string[] {
  const { style } = look
  const columns: Column<ScheduleRun>[] = [
    { title: 'TIME', text: ({ at }) => new Date(at).toISOString() },
    {
      title: 'OUTCOME',
      text: ({ outcome }) => outcome,
      paint({ outcome }, text) {
        if (outcome === 'enqueued') return style.good(text)
        return outcome === 'failed' ? style.bad(text) : style.warn(text)
      },
    },
    { title: 'LATE', text: ({ at, recordedAt }) => duration(Math.max(0, recordedAt - at)), right: true, leaves: 2 },
    { title: 'BY', text: ({ trigger }) => trigger, leaves: 1 },
    { title: 'JOB', text: ({ jobId = '' }) => jobId },
    { title: 'WHY', text: whyOf, leaves: 3 },
  ]
  return tableLines(runs, columns, look)
}

function whyOf({ outcome, error, replaced }: ScheduleRun): string {
  if (error !== undefined) return `${error.code}: ${error.message}`
  if (outcome === 'skipped') return 'the job had not ended'
  if (outcome === 'missed') return 'no worker was there'
  return replaced === undefined ? '' : `${replaced} was cancelled for it`
}

function until(at: number, now: number): string {
  return at > now ? `in ${duration(at - now).replace(/\.\d s$/, ' s')}` : `due for ${duration(now - at)}`
}

function timeOf(at: number | undefined, now: number): string | undefined {
  if (at === undefined) return undefined
  return `${new Date(at).toISOString()} (${at > now ? until(at, now) : ago(at, now)})`
}

/** What callers wrote must not break out of its line; what is painted here is ours. */
function shown(name: string, value: string): string {
  return name === 'next' ? value : oneLine(value, undefined)
}
