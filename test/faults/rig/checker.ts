import { isEndEvent, isEndState, type JobView, type StreamEvent } from '@claude-fleet/core'
import type { Acked, Rig } from './rig.js'

/**
 * What became of everything the fleet said yes to, told by Redis (records and logs, read as any subscriber would), by
 * the fake claude's log and by the process table. Whatever is in a list is a fault.
 */
export interface Findings {
  jobs: number
  /** Said yes to, and never ended. */
  lost: string[]
  /** Jobs with another number of ends than one, or with an event after it, or whose state says something else. */
  ends: string[]
  /** Streams with a hole, a double, events of an older attempt after a newer, or a text that is not the result's. */
  streams: string[]
  /** Prompts that claude got. */
  starts: number
  /** Prompts beyond the first of each job: what the fault cost. */
  extraStarts: number
  /** Jobs whose prompt was sent more often than the record has attempts: nobody accounts for those. */
  unexplained: string[]
  /** Longest time that two claudes worked on one job at once, ms. */
  overlapMs: number
  /** Which jobs, and for how long. */
  overlaps: string[]
  /** From the last end until nothing that an attempt had started ran any more, ms. */
  goneMs: number
  /** What still ran when that was given up. */
  left: number[]
}

const GONE_MS = 5_000
/** The witness looks 50 times a second, and the machine may be busy. */
const LOOKS_MS = 100

export async function checkFaults(rig: Rig, options: { settleMs?: number } = {}): Promise<Findings> {
  const { settleMs = 120_000 } = options
  const lost: string[] = []
  const views = new Map<string, JobView>()
  await rig
    .until(
      'every job has ended',
      async () => {
        for (const { id } of rig.acked) {
          if (views.has(id)) continue
          const view = await rig.client.job(id).get()
          if (!isEndState(view.state)) return false
          views.set(id, view)
        }
        return true
      },
      settleMs,
    )
    .catch(() => undefined)
  for (const { id } of rig.acked) if (!views.has(id)) lost.push(id)

  const gone = await processesGone(rig)
  const findings: Findings = {
    jobs: rig.acked.length,
    lost,
    ends: [],
    streams: [],
    starts: rig.spends.all().length,
    extraStarts: 0,
    unexplained: [],
    overlapMs: 0,
    overlaps: [],
    ...gone,
  }
  for (const job of rig.acked) {
    const view = views.get(job.id)
    if (view === undefined) continue
    const events: StreamEvent[] = []
    for await (const event of rig.client.job(job.id).events()) events.push(event)
    if (!endsOnce(view, events)) findings.ends.push(job.id)
    const fault = faultOfStream(view, events)
    if (fault !== undefined) findings.streams.push(`${job.id}: ${fault}`)
    const starts = rig.spends.of(job.tag).length
    findings.extraStarts += Math.max(0, starts - 1)
    if (starts > view.attempt) findings.unexplained.push(job.id)
    const overlapMs = overlapOf(rig, job)
    findings.overlapMs = Math.max(findings.overlapMs, overlapMs)
    if (overlapMs > 0) {
      const attempts = (view.attempts ?? []).map(({ worker, outcome, code }) =>
        `${worker} ${outcome} ${code ?? ''}`.trim(),
      )
      findings.overlaps.push(`${job.id}: ${overlapMs} ms; ${attempts.join(', ')}`)
    }
  }
  return findings
}

function endsOnce(view: JobView, events: readonly StreamEvent[]): boolean {
  const ends = events.filter(isEndEvent)
  return ends.length === 1 && events.at(-1) === ends[0] && ends[0]?.type === view.state
}

function faultOfStream(view: JobView, events: readonly StreamEvent[]): string | undefined {
  let attempt = 0
  let text = ''
  for (const [at, event] of events.entries()) {
    if (event.type === 'gap') return `a gap from ${event.from} to ${event.to}`
    if (event.seq !== at + 1) return `event ${at + 1} has seq ${event.seq}`
    if (event.attempt < attempt) return `event ${event.seq} is of attempt ${event.attempt}, after ${attempt}`
    attempt = event.attempt
    if (event.type === 'started' || event.type === 'text_reset' || event.type === 'tool_use') text = ''
    if (event.type === 'text') text += event.text
  }
  if (view.state === 'completed' && view.result !== undefined && !view.result.text.endsWith(text))
    return `its text is ${text.length} characters, which the result's ${view.result.text.length} do not end with`
  return undefined
}

/** Every claude of a job against every other: the overlap of the times they ran, from the prompt to the end of its turn. */
function overlapOf(rig: Rig, { tag }: Acked): number {
  const lives = rig.spends.of(tag).map(({ pid, at, answeredAt = Infinity }) => {
    return rig.witness.ran(pid).map(({ from, to }) => ({ from: Math.max(from, at), to: Math.min(to, answeredAt) }))
  })
  let most = 0
  for (const [index, spans] of lives.entries()) {
    const others = lives.slice(index + 1).flat()
    for (const one of spans) {
      for (const other of others) most = Math.max(most, Math.min(one.to, other.to) - Math.max(one.from, other.from))
    }
  }
  return most <= LOOKS_MS ? 0 : most
}

async function processesGone(rig: Rig): Promise<{ goneMs: number; left: number[] }> {
  const begunAt = performance.now()
  const pids = [...new Set([...rig.spends.started(), ...(await rig.daemons())])]
  const running = () => pids.filter((pid) => rig.witness.isRunning(pid))
  await rig.until('nothing is left', () => running().length === 0, GONE_MS).catch(() => undefined)
  return { goneMs: Math.round(performance.now() - begunAt), left: running() }
}
