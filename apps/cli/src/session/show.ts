import type { SessionView } from '@claude-fleet/core'
import { ago, duration, tokens, usd } from '../text/figures.js'
import { oneLine, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

interface Look {
  now: number
  style: Style
  width: number | undefined
}

/** A page of sessions as a table. */
export function sessionTable(sessions: readonly SessionView[], look: Look): string[] {
  const { now, style } = look
  const columns: Column<SessionView>[] = [
    { title: 'ID', text: ({ id }) => id },
    { title: 'STATE', text: ({ state }) => state, paint: ({ state }, text) => painted(state, text, style) },
    { title: 'TURNS', text: ({ turns }) => String(turns), right: true },
    { title: 'QUEUED', text: ({ queued }) => (queued === 0 ? '' : String(queued)), right: true, leaves: 4 },
    { title: 'COST', text: ({ costUsd }) => usd(costUsd), right: true, leaves: 5 },
    { title: 'WORKER', text: ({ worker = '' }) => worker, leaves: 2 },
    { title: 'LAST', text: ({ updatedAt }) => ago(updatedAt, now), leaves: 3 },
    { title: 'EXPIRES', text: ({ expiresAt }) => until(expiresAt, now), leaves: 1 },
  ]
  return tableLines(sessions, columns, look)
}

/** A session for people. */
export function sessionLines(session: SessionView, { now, style }: Omit<Look, 'width'>): string[] {
  const { options = {}, error } = session
  const facts: [string, string | undefined][] = [
    ['id', session.id],
    ['state', session.state],
    ['error', error === undefined ? undefined : `${error.code}: ${error.message}`],
    ['turns', `${session.turns}, ${session.queued} queued`],
    ['running', session.job],
    [
      'cost',
      session.maxBudgetUsd === undefined
        ? usd(session.costUsd)
        : `${usd(session.costUsd)} of ${usd(session.maxBudgetUsd)}`,
    ],
    ['tokens', tokens(session.usage)],
    ['memory', `${(session.transcriptBytes / 1_024).toFixed(1)} KiB`],
    ['worker', session.worker],
    ['labels', session.labels.length === 0 ? undefined : session.labels.join(', ')],
    ['parent', session.parent],
    ['created', `${new Date(session.createdAt).toISOString()} (${ago(session.createdAt, now)})`],
    ['last', `${new Date(session.updatedAt).toISOString()} (${ago(session.updatedAt, now)})`],
    ['expires', `${new Date(session.expiresAt).toISOString()} (${until(session.expiresAt, now)})`],
    ...Object.entries(session.metadata).map(([name, value]): [string, string] => [`metadata ${name}`, value]),
    ...Object.entries(options).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  ]
  return facts.flatMap(([name, value]) => {
    if (value === undefined) return []
    const shown = oneLine(value, undefined)
    const text = name === 'state' ? painted(session.state, shown, style) : shown
    return [`${style.dim(oneLine(name, undefined).padEnd(10))} ${text}`]
  })
}

function painted(state: SessionView['state'], text: string, style: Style): string {
  if (state === 'running') return style.good(text)
  if (state === 'error') return style.bad(text)
  return state === 'closed' ? style.dim(text) : text
}

function until(at: number, now: number): string {
  return at > now ? `in ${duration(at - now).replace(/\.\d s$/, ' s')}` : 'due'
}
