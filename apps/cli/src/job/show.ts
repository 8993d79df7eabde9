import type { JobResult, JobView } from '@claude-fleet/core'
import { ago, duration, tokens, usd } from '../text/figures.js'
import { oneLine, printable, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

/** A job for people: what it is, how it went, and its answer or error. */
export function jobLines(
  job: JobView,
  { now, style, isTerminal }: { now: number; style: Style; isTerminal: boolean },
): string[] {
  const at = (ms: number) => `${new Date(ms).toISOString()} (${ago(ms, now)})`
  const inFuture = (ms: number) => `${new Date(ms).toISOString()} (in ${duration(Math.max(0, ms - now))})`
  const facts: [string, string | undefined][] = [
    ['id', job.id],
    ['state', paintState(job.state, style)],
    ['attempt', String(job.attempt)],
    ['created', at(job.createdAt)],
    ['started', job.startedAt === undefined ? undefined : at(job.startedAt)],
    ['finished', job.finishedAt === undefined ? undefined : at(job.finishedAt)],
    ['resumes', job.resumesAt === undefined ? undefined : inFuture(job.resumesAt)],
    ['runs', job.runsAt === undefined ? undefined : inFuture(job.runsAt)],
    ['worker', plain(job.worker)],
    ['session', plain(job.session)],
    ['batch', plain(job.batch)],
    ['custom id', plain(job.customId)],
    ['retry of', plain(job.retryOf)],
    ['schedule', plain(job.schedule)],
    ['cost', `${usd(job.costUsd)}, ${tokens(job.usage)}`],
    ...Object.entries(job.metadata).map(([name, value]): [string, string] => [
      `metadata ${name}`,
      oneLine(value, undefined),
    ]),
  ]
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [factLine(name, value, style)]))
  if (job.error !== undefined) lines.push('', style.bad(oneLine(`${job.error.code}: ${job.error.message}`, undefined)))
  if (job.result !== undefined) lines.push(...resultLines(job.result, style, isTerminal))
  return lines
}

function resultLines(result: JobResult, style: Style, isTerminal: boolean): string[] {
  const { start, numTurns, durationMs, queueMs, model, tools, permissionDenials, text, structuredOutput } = result
  const used = Object.entries(tools).map(([name, times]) => `${name} ${times}`)
  const denied = new Set(permissionDenials.map(({ toolName }) => toolName))
  const facts: [string, string][] = [
    [
      'ran',
      `${duration(durationMs)} after ${duration(queueMs)} of waiting, ${start} start, ${numTurns} ${numTurns === 1 ? 'turn' : 'turns'}`,
    ],
    ['model', model],
    ...(used.length > 0 ? [['tools', used.join(', ')] as [string, string]] : []),
    ...(denied.size > 0 ? [['denied', [...denied].join(', ')] as [string, string]] : []),
  ]
  const output = structuredOutput === undefined ? [] : [JSON.stringify(structuredOutput, undefined, 2)]
  const answer = [text, ...output].filter((part) => part !== '')
  return [
    ...facts.map(([name, value]) => factLine(name, oneLine(value, undefined), style)),
    ...answer.flatMap((part) => ['', isTerminal ? printable(part) : part]),
  ]
}

function factLine(name: string, value: string, style: Style): string {
  return `${style.dim(oneLine(name, undefined).padEnd(10))} ${value}`
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
    { title: 'ATT', text: ({ attempt }) => String(attempt), right: true, leaves: 3 },
    { title: 'CREATED', text: ({ createdAt }) => ago(createdAt, now), leaves: 1 },
    { title: 'TOOK', text: took(now), right: true, leaves: 2 },
    { title: 'COST', text: ({ costUsd }) => usd(costUsd), right: true, leaves: 4 },
    { title: 'WORKER', text: ({ worker = '' }) => worker, leaves: 5 },
    {
      title: 'WHAT',
      text: ({ result, error }) => (error === undefined ? (result?.text ?? '') : error.code),
      leaves: 6,
    },
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
