import type { DeliveryView, WebhookView } from '@claude-fleet/core'
import { ago, duration } from '../text/figures.js'
import { oneLine, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

interface ShowOptions {
  now: number
  style: Style
  width: number | undefined
}

/** The endpoints of a tenant as a table. */
export function webhookTable(items: readonly WebhookView[], options: ShowOptions): string[] {
  const { now, style } = options
  const columns: Column<WebhookView>[] = [
    { title: 'ID', text: ({ id }) => id },
    { title: 'STATE', text: stateOf, paint: (item, text) => (item.enabled ? text : style.warn(text)) },
    { title: 'PENDING', text: ({ pending }) => String(pending), right: true, leaves: 1 },
    { title: 'FAILURES', text: ({ failures }) => String(failures), right: true, leaves: 2 },
    { title: 'LAST OK', text: ({ lastSuccessAt: at }) => (at === undefined ? '' : ago(at, now)), leaves: 3 },
    { title: 'EVENTS', text: eventsOf, leaves: 4 },
    { title: 'URL', text: ({ url }) => url },
  ]
  return tableLines(items, columns, options)
}

/** One endpoint for people; with its secret where it has just been made. */
export function webhookLines(item: WebhookView & { secret?: string }, { now, style }: ShowOptions): string[] {
  const { disabledReason, previousSecretUntil, lastSuccessAt, lastFailureAt, secret } = item
  const facts: [string, string | undefined][] = [
    ['id', item.id],
    ['url', item.url],
    ['secret', secret],
    [
      'old secret',
      previousSecretUntil === undefined ? undefined : `signs for ${duration(previousSecretUntil - now)} more`,
    ],
    ['state', disabledReason === undefined ? stateOf(item) : `disabled: ${disabledReason}`],
    ['events', eventsOf(item)],
    ['for', item.description === '' ? undefined : item.description],
    ['pending', String(item.pending)],
    ['failures', item.failures === 0 ? undefined : `${item.failures} in a row`],
    ['last ok', lastSuccessAt === undefined ? undefined : ago(lastSuccessAt, now)],
    ['last fault', lastFailureAt === undefined ? undefined : ago(lastFailureAt, now)],
  ]
  return facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style.dim(name.padEnd(10))} ${oneLine(value, undefined)}`],
  )
}

/** Deliveries to an endpoint as a table. */
export function deliveryTable(items: readonly DeliveryView[], options: ShowOptions): string[] {
  const { now, style } = options
  const columns: Column<DeliveryView>[] = [
    { title: 'EVENT', text: ({ type }) => type },
    { title: 'JOB', text: ({ job = '' }) => job },
    {
      title: 'STATUS',
      text: ({ status }) => status,
      paint: ({ status }, text) => (status === 'failed' ? style.bad(text) : text),
    },
    { title: 'TRIES', text: ({ attempts }) => String(attempts), right: true, leaves: 1 },
    { title: 'CREATED', text: ({ createdAt }) => ago(createdAt, now), leaves: 2 },
    {
      title: 'NEXT TRY',
      text: ({ nextAttemptAt: at }) => (at === undefined ? '' : `in ${duration(Math.max(0, at - now))}`),
      leaves: 3,
    },
    { title: 'ERROR', text: ({ error = '' }) => error, leaves: 4 },
  ]
  return tableLines(items, columns, options)
}

function stateOf({ enabled }: WebhookView): string {
  return enabled ? 'enabled' : 'disabled'
}

function eventsOf({ events }: WebhookView): string {
  return events.length === 0 ? 'of jobs that name it' : events.join(', ')
}
