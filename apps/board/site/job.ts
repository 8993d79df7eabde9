import { html, useEffect, useState, type Node } from './vendor/preact.js'
import { ask, END_STATES, type Entry, type JobView, type StreamEvent } from './api.js'
import { confirmed } from './confirm.js'
import { duration, usd, visible } from './format.js'
import { addEvent, NO_BLOCKS, type Block } from './story.js'

/** One job: what it is, and its stream as it comes. */
export function JobPage({ id }: { id: string }): Node {
  const [entry, setEntry] = useState<Entry | undefined>(undefined)
  const [blocks, setBlocks] = useState<readonly Block[]>(NO_BLOCKS)
  const [fault, setFault] = useState('')
  const path = `/api/jobs/${encodeURIComponent(id)}`
  const refresh = () => ask<Entry>(path).then(setEntry, (error: unknown) => setFault(String(error)))
  const act = async (action: 'cancel' | 'retry', question: string, button: string) => {
    if (!(await confirmed(question, button))) return
    try {
      const answer = await ask<{ id: string }>(`${path}/${action}`, { method: 'POST' })
      if (action === 'retry') location.href = `/jobs/${answer.id}`
      else await refresh()
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error))
    }
  }

  useEffect(() => {
    document.title = `${id} · claude-fleet`
    void refresh()
    // The browser resumes after the last `id:` by itself.
    const source = new EventSource(`${path}/events`)
    const onEvent = (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as StreamEvent
      setBlocks((before) => addEvent(before, event))
      if (END_STATES.has(event.type)) source.close()
      if (!['text', 'thinking', 'log'].includes(event.type)) void refresh()
    }
    for (const type of TYPES) source.addEventListener(type, onEvent)
    return () => source.close()
  }, [id])

  const job = entry?.job
  const ended = job !== undefined && END_STATES.has(job.state)
  return html`
    <p><a href="/">← Fleet</a></p>
    <h1>Job ${id}</h1>
    ${fault !== '' && html`<p class="notice" role="alert">${visible(fault)}</p>`}
    ${
      entry !== undefined &&
      job !== undefined &&
      html`
        <div class="bar">
          <span class=${job.state} role="status">${job.state}</span>
          <button
            disabled=${ended}
            onClick=${() => act('cancel', `Cancel job ${id}? What it has spent is spent.`, 'Cancel the job')}
          >
            Cancel
          </button>
          <button
            disabled=${!ended}
            onClick=${() => act('retry', `Run job ${id} again? It is paid for again.`, 'Run it again')}
          >
            Retry
          </button>
        </div>
        <${Facts} entry=${entry} />
      `
    }
    <h2>Stream</h2>
    <div class="stream" aria-live="polite">
      ${blocks.map((block) => html`<${Shown} key=${block.seq} block=${block} />`)}
    </div>
    ${
      job?.result?.structuredOutput !== undefined &&
      html`<h2>Structured output</h2>
        <pre>${visible(job.result.structuredOutput)}</pre>`
    }
    ${
      entry?.spec !== undefined &&
      html`<h2>What was asked</h2>
        <pre>${visible(entry.spec)}</pre>`
    }
  `
}

const TYPES = [
  'queued',
  'started',
  'text',
  'thinking',
  'text_reset',
  'tool_use',
  'tool_result',
  'log',
  'retry',
  'parked',
  'completed',
  'failed',
  'cancelled',
  'gap',
]

function Facts({ entry: { tenant, job } }: { entry: Entry }): Node {
  const facts: [string, string | undefined][] = [
    ['tenant', tenant],
    ['attempt', String(job.attempt)],
    ['created', time(job.createdAt)],
    ['started', time(job.startedAt)],
    ['finished', time(job.finishedAt)],
    ['took', took(job)],
    ['resumes', time(job.resumesAt)],
    ['worker', job.worker],
    ['start', job.result?.start],
    ['cost', usd(job.costUsd)],
    [
      'tokens',
      `${job.usage['inputTokens']} in, ${job.usage['outputTokens']} out, ${job.usage['cacheReadTokens']} read from cache, ${job.usage['cacheCreationTokens']} written to cache`,
    ],
    ['session', job.session],
    ['batch', job.batch],
    ['custom id', job.customId],
    ...Object.entries(job.metadata).map(([name, value]): [string, string] => [name, value]),
    ['error', job.error && `${job.error.code}: ${job.error.message}`],
  ]
  return html`<dl>
    ${facts.map(
      ([name, value]) =>
        value !== undefined &&
        html`<dt>${visible(name)}</dt>
          <dd>${visible(value)}</dd>`,
    )}
    ${
      job.retryOf !== undefined &&
      html`<dt>retry of</dt>
        <dd><a href=${`/jobs/${job.retryOf}`}>${job.retryOf}</a></dd>`
    }
  </dl>`
}

function Shown({ block }: { block: Block }): Node {
  const at = html`<time datetime=${new Date(block.ts).toISOString()}>${new Date(block.ts).toLocaleTimeString()}</time>`
  if (block.text === undefined) return html`<div class=${`event ${block.kind}`}>${at}${visible(block.title)}</div>`
  return html`<div class=${`event ${block.kind}`}>
    ${at}${visible(block.title)}
    <pre>${visible(block.text)}</pre>
  </div>`
}

const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toLocaleString())
const took = ({ startedAt, finishedAt }: JobView) =>
  startedAt === undefined || finishedAt === undefined ? undefined : duration(finishedAt - startedAt)
