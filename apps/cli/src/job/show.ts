import type { JobView } from '@claude-fleet/core'
import { ago, duration, tokens, usd } from '../text/figures.js'
import { oneLine, printable, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

/** A job for people: what it is, how it went, and its answer or error. */
export function jobLines(job: JobView, { now, style }: { now: number; style: Style }): string[] {
  const at = (ms: number) => `${new Date(ms).toISOString()} (${ago(ms, now)})`
  const facts: [string, string | undefined][] = [
    ['id', job.id],
    ['state', paintState(job.state, style)],
    ['attempt', String(job.attempt)],
    ['created', at(job.createdAt)],
    ['started', job.startedAt === undefined ? undefined : at(job.startedAt)],
    ['finished', job.finishedAt === undefined ? undefined : at(job.finishedAt)],
    ['resumes', job.resumesAt === undefined ? undefined : new Date(job.resumesAt).toISOString()],
    ['worker', plain(job.worker)],
    ['session', plain(job.session)],
    ['batch', plain(job.batch)],
    ['custom id', plain(job.customId)],
    ['retry of', plain(job.retryOf)],
    ['cost', `${usd(job.costUsd)}, ${tokens(job.usage)}`],
    ...Object.entries(job.metadata).map(([name, value]): [string, string] => [
      `metadata ${name}`,
      oneLine(value, undefined),
    ]),
  ]
  const lines = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style.dim(oneLine(name, undefined).padEnd(10))} ${value}`],
  )
  if (job.error !== undefined) lines.push('', style.bad(printable(`${job.error.code}: ${job.error.message}`)))
  if (job.result !== undefined) {
    const { start, numTurns, durationMs, queueMs } = job.result
    lines.push(
      `${style.dim('ran'.padEnd(10))} ${duration(durationMs)} after ${duration(queueMs)} of waiting, ${start} start, ${numTurns} turns`,
      '',
      printable(job.result.text),
    )
  }
  return lines
}

/** A page of jobs as a table. */
export function jobTable(
  jobs: readonly JobView[],
  options: { now: number; style: Style; width: number | undefined },
): string[] {
  const { now, style } = options
  const columns: Column<JobView>[] = [
    { title: 'ID', text: ({ id }) => id },
    { title: 'STATE', text: ({ state }) => state, paint: ({ state }) => paintState(state, style) },
    { title: 'ATT', text: ({ attempt }) => String(attempt), right: true },
    { title: 'CREATED', text: ({ createdAt }) => ago(createdAt, now) },
    { title: 'TOOK', text: took(now), right: true },
    { title: 'COST', text: ({ costUsd }) => usd(costUsd), right: true },
    { title: 'WORKER', text: ({ worker = '' }) => worker },
    { title: 'WHAT', text: ({ result, error }) => (error === undefined ? (result?.text ?? '') : error.code) },
  ]
  return tableLines(jobs, columns, options)
}

function took(now: number): (job: JobView) => string {
  return ({ startedAt, finishedAt }) => (startedAt === undefined ? '' : duration((finishedAt ?? now) - startedAt))
}

function paintState(state: JobView['state'], style: Style): string {
  if (state === 'completed') return style.good(state)
  if (state === 'failed') return style.bad(state)
  return state === 'parked' || state === 'cancelled' ? style.warn(state) : state
}

/** What others wrote must not break out of its line. */
function plain(value: string | undefined): string | undefined {
  return value === undefined ? undefined : oneLine(value, undefined)
}
