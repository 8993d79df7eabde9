import { html, useEffect, useState, type Node } from './vendor/preact.js'
import { ask, type Fleet, type Minute, type Page, type Worker } from './api.js'
import { Chart } from './chart.js'
import { confirmed } from './confirm.js'
import { Credentials } from './credentials.js'
import { ago, duration, usd, visible } from './format.js'

const REFRESH_MS = 2_000
const STATES = ['waiting', 'delayed', 'parked', 'active', 'completed', 'failed', 'cancelled']

/** The fleet at a glance. */
export function FleetPage(): Node {
  const [fleet, setFleet] = useState<Fleet | undefined>(undefined)
  const [fault, setFault] = useState('')
  usePolling(async (signal) => setFleet(await ask<Fleet>('/api/fleet', { signal })), setFault, [])
  return html`
    <h1>Fleet</h1>
    ${fault !== '' && html`<p class="notice" role="alert">The fleet cannot be asked: ${fault}</p>`}
    ${fleet !== undefined && html`<${Figures} fleet=${fleet} /><${Charts} minutes=${fleet.history.minutes} /><${Workers} workers=${fleet.workers} now=${fleet.now} /><${Credentials} credentials=${fleet.credentials} /><${Sessions} fleet=${fleet} />`}
    <${Jobs} tenants=${fleet?.tenants ?? []} />
  `
}

function Figures({ fleet }: { fleet: Fleet }): Node {
  const { stats, history, workers } = fleet
  const running = workers.reduce((sum, worker) => sum + worker.running, 0)
  const limit = workers.reduce((sum, worker) => sum + worker.limit, 0)
  const card = (name: string, value: unknown, kind = '') =>
    html`<div class="card"><b class=${kind}>${value}</b><span>${name}</span></div>`
  return html`<section class="cards" aria-label="Figures">
    ${STATES.map((state) => card(state, stats.jobs[state] ?? 0, (stats.jobs[state] ?? 0) > 0 ? state : ''))}
    ${card('oldest waiting', duration(stats.oldestWaitingMs))} ${card('slots in use', `${running} / ${limit}`)}
    ${card('ended, last minute', stats.throughput.lastMinute)} ${card('cost today', usd(history.costTodayUsd))}
  </section>`
}

function Charts({ minutes }: { minutes: Minute[] }): Node {
  const at = minutes.map((minute) => minute.at)
  const of = (pick: (minute: Minute) => number | undefined) => minutes.map((minute) => pick(minute) ?? null)
  return html`<div class="charts">
    <${Chart}
      title="Ended per minute"
      at=${at}
      unit=${(value: number) => String(Math.round(value))}
      lines=${[
        { label: 'completed', colour: '--good', values: of((minute) => minute.completed) },
        { label: 'failed', colour: '--bad', values: of((minute) => minute.failed) },
        { label: 'cancelled', colour: '--warn', values: of((minute) => minute.cancelled) },
      ]}
    />
    <${Chart}
      title="Latency, p50"
      at=${at}
      unit=${duration}
      lines=${[
        { label: 'queue', colour: '--dim', values: of((minute) => minute.queueMs?.p50) },
        { label: 'first text', colour: '--accent', values: of((minute) => minute.firstTextMs?.p50) },
        { label: 'total', colour: '--good', values: of((minute) => minute.totalMs?.p50) },
      ]}
    />
  </div>`
}

function Workers({ workers, now }: { workers: Worker[]; now: number }): Node {
  const drain = async (id: string) => {
    if (!(await confirmed(`Drain worker ${id}? It claims nothing more, finishes what runs and exits.`, 'Drain'))) return
    await ask(`/api/workers/${encodeURIComponent(id)}/drain`, { method: 'POST' }).catch((error: unknown) =>
      alert(String(error)),
    )
  }
  return html`<section aria-labelledby="workers">
    <h2 id="workers">Workers</h2>
    ${
      workers.length === 0
        ? html`<p class="warn">No worker is alive. Nothing runs until one is started.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-labelledby="workers">
            <table>
              <thead>
                <tr>
                  <th>Worker</th>
                  <th>Host</th>
                  <th class="num">Running</th>
                  <th class="num">Spares</th>
                  <th>claude</th>
                  <th>Credentials</th>
                  <th>State</th>
                  <th>Seen</th>
                  <th></th>
                </tr>
              </thead>
              <tbody>
                ${workers.map(
                  (worker) =>
                    html`<tr key=${worker.id}>
                      <td>${worker.id}</td>
                      <td>${worker.host} <span class="dim">${worker.pid}</span></td>
                      <td class="num">${worker.running} / ${worker.limit}</td>
                      <td class="num">${worker.spares}</td>
                      <td>${worker.claudeVersion}</td>
                      <td>${worker.credentials.join(', ')}</td>
                      <td class=${worker.pausedReason === undefined ? 'good' : 'warn'}>
                        ${worker.pausedReason ?? 'claiming'}
                      </td>
                      <td>${ago(worker.lastSeen, now)}</td>
                      <td>
                        <button disabled=${worker.pausedReason === 'draining'} onClick=${() => drain(worker.id)}>
                          Drain
                        </button>
                      </td>
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`
    }
  </section>`
}

const SESSION_COLOURS: Record<string, string> = { running: 'good', error: 'warn', closed: 'dim' }

function Sessions({ fleet: { sessions, sessionCounts, now } }: { fleet: Fleet }): Node {
  const counts = Object.entries(sessionCounts).filter(([, count]) => count > 0)
  if (counts.length === 0) return html``
  return html`<section aria-labelledby="sessions">
    <h2 id="sessions">Sessions</h2>
    <p class="dim">${counts.map(([state, count]) => `${count} ${state}`).join(', ')}</p>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="sessions">
      <table>
        <thead>
          <tr>
            <th>Session</th>
            <th>Tenant</th>
            <th>State</th>
            <th class="num">Turns</th>
            <th class="num">Queued</th>
            <th class="num">USD</th>
            <th class="num">Memory</th>
            <th>Last worker</th>
            <th>Last turn</th>
            <th>Expires</th>
          </tr>
        </thead>
        <tbody>
          ${sessions.map(
            ({ tenant, session }) =>
              html`<tr key=${session.id}>
                <td>${session.id}</td>
                <td>${tenant}</td>
                <td class=${SESSION_COLOURS[session.state] ?? ''}>${session.state}</td>
                <td class="num">${session.turns}</td>
                <td class="num">${session.queued}</td>
                <td class="num">${session.costUsd.toFixed(4)}</td>
                <td class="num">${(session.transcriptBytes / 1024).toFixed(1)} KiB</td>
                <td>${session.worker ?? ''}</td>
                <td>${ago(session.updatedAt, now)}</td>
                <td>${new Date(session.expiresAt).toISOString().slice(0, 16).replace('T', ' ')}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`
}

function Jobs({ tenants }: { tenants: string[] }): Node {
  const [state, setState] = useState('')
  const [tenant, setTenant] = useState('')
  const [cursors, setCursors] = useState<string[]>([])
  const [page, setPage] = useState<Page>({ items: [] })
  const [fault, setFault] = useState('')
  const query = new URLSearchParams({ limit: '20' })
  if (state !== '') query.set('state', state)
  if (tenant !== '') query.set('tenant', tenant)
  const cursor = cursors.at(-1)
  if (cursor !== undefined) query.set('cursor', cursor)
  usePolling(async (signal) => setPage(await ask<Page>(`/api/jobs?${query.toString()}`, { signal })), setFault, [
    query.toString(),
  ])
  const filter = (set: (value: string) => void) => (event: { currentTarget: HTMLSelectElement }) => {
    setCursors([])
    set(event.currentTarget.value)
  }
  const now = Date.now()
  return html`<section aria-labelledby="jobs">
    <h2 id="jobs">Jobs</h2>
    <div class="bar">
      <label
        >State
        <select value=${state} onChange=${filter(setState)}>
          <option value="">all</option>
          ${STATES.map((one) => html`<option value=${one}>${one}</option>`)}
        </select></label
      >
      <label
        >Tenant
        <select value=${tenant} onChange=${filter(setTenant)}>
          <option value="">all</option>
          ${tenants.map((one) => html`<option value=${one}>${one}</option>`)}
        </select></label
      >
    </div>
    ${fault !== '' && html`<p class="notice" role="alert">${fault}</p>`}
    <div class="scroll" tabindex="0" role="region" aria-labelledby="jobs">
      <table>
        <thead>
          <tr>
            <th>Job</th>
            <th>Tenant</th>
            <th>State</th>
            <th class="num">Attempt</th>
            <th>Created</th>
            <th class="num">Took</th>
            <th class="num">Cost</th>
            <th>Worker</th>
            <th>What came of it</th>
          </tr>
        </thead>
        <tbody>
          ${page.items.map(
            ({ job, tenant: owner }) =>
              html`<tr key=${job.id}>
                <td><a href=${`/jobs/${job.id}`}>${job.id}</a></td>
                <td>${owner}</td>
                <td class=${job.state}>${job.state}</td>
                <td class="num">${job.attempt}</td>
                <td>${ago(job.createdAt, now)}</td>
                <td class="num">
                  ${job.startedAt === undefined ? '' : duration((job.finishedAt ?? now) - job.startedAt)}
                </td>
                <td class="num">${usd(job.costUsd)}</td>
                <td>${job.worker ?? ''}</td>
                <td>${visible(job.error?.code ?? job.result?.text ?? '').slice(0, 60)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${page.items.length === 0 && html`<p class="dim">No such job.</p>`}
    <div class="bar">
      <button disabled=${cursors.length === 0} onClick=${() => setCursors((before) => before.slice(0, -1))}>
        Newer
      </button>
      <button
        disabled=${page.nextCursor === undefined}
        onClick=${() => setCursors((before) => (page.nextCursor === undefined ? before : [...before, page.nextCursor]))}
      >
        Older
      </button>
    </div>
  </section>`
}

/** Asks at once and then again and again, while the page is seen. */
function usePolling(
  run: (signal: AbortSignal) => Promise<void>,
  setFault: (fault: string) => void,
  inputs: readonly unknown[],
): void {
  useEffect(() => {
    const leave = new AbortController()
    let timer = 0
    const tick = async () => {
      try {
        if (!document.hidden) await run(leave.signal)
        setFault('')
      } catch (error) {
        if (!leave.signal.aborted) setFault(error instanceof Error ? error.message : String(error))
      }
      if (!leave.signal.aborted) timer = setTimeout(tick, REFRESH_MS)
    }
    void tick()
    return () => {
      leave.abort()
      clearTimeout(timer)
    }
  }, inputs)
}
