import type { StreamEvent } from './api.js'
import { duration } from './format.js'

/** A piece of a job's stream as it is shown; deltas of one text are one block. */
export interface Block {
  seq: number
  ts: number
  kind: string
  title: string
  text?: string
}

export const NO_BLOCKS: readonly Block[] = []

/** Characters of one block that are shown; a page with more would not be read. */
const SHOWN = 200_000
const BLOCKS = 2_000

/** The blocks after `event`. An event that was seen already changes nothing. */
export function addEvent(blocks: readonly Block[], event: StreamEvent): readonly Block[] {
  const last = blocks.at(-1)
  if (last !== undefined && event.seq <= last.seq) return blocks
  const next = blockOf(event)
  if (event.type === 'text_reset') {
    // Back to the attempt's begin or its last tool: what was streamed since is void.
    const from = blocks.findLastIndex(({ kind }) => kind === 'started' || kind === 'tool_use' || kind === 'text_reset')
    return [...blocks.slice(0, from + 1), ...blocks.slice(from + 1).filter(({ kind }) => kind !== 'text'), next]
  }
  if (last?.text !== undefined && last.kind === next.kind && (next.kind === 'text' || next.kind === 'thinking')) {
    const text = (last.text + (next.text ?? '')).slice(-SHOWN)
    return [...blocks.slice(0, -1), { ...last, seq: event.seq, text }]
  }
  return [...blocks, next].slice(-BLOCKS)
}

function blockOf(event: StreamEvent): Block {
  const { type, seq, ts, attempt } = event
  const text = (name: string) => {
    const value = event[name]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  const error = (event['error'] ?? {}) as { code?: string; message?: string }
  const block = { seq, ts, kind: type }
  switch (type) {
    case 'text':
      return { ...block, title: '', text: text('text') }
    case 'thinking':
      return { ...block, title: 'thinking', text: text('text') }
    case 'started':
      return { ...block, title: `attempt ${attempt} on ${text('worker')} (${text('start')} start)` }
    case 'text_reset':
      return { ...block, title: 'the text so far is void and comes again' }
    case 'tool_use':
      return { ...block, title: `uses ${text('name')}`, text: JSON.stringify(event['input'], null, 2).slice(0, SHOWN) }
    case 'tool_result':
      return {
        ...block,
        title: event['isError'] === true ? 'the tool failed' : 'the tool answered',
        text: text('output').slice(0, SHOWN),
      }
    case 'log':
      return { ...block, title: text('stream'), text: text('line').slice(0, SHOWN) }
    case 'retry':
      return {
        ...block,
        title: `attempt ${attempt} failed: ${error.code}: ${error.message}; again in ${duration(Number(event['delayMs']))}`,
      }
    case 'parked':
      return {
        ...block,
        title: `parked until ${event['resumesAt'] === undefined ? 'its credential is resumed' : new Date(Number(event['resumesAt'])).toLocaleString()}: ${error.code}: ${error.message}`,
      }
    case 'failed':
      return { ...block, title: `failed: ${error.code}: ${error.message}` }
    case 'cancelled':
      return { ...block, title: `cancelled: ${text('reason')}` }
    case 'gap':
      return { ...block, title: `events ${text('from')} to ${text('to')} are no longer kept` }
    default:
      return { ...block, title: type }
  }
}
