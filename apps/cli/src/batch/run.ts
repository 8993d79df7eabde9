import { setMaxListeners } from 'node:events'
import type { FleetClient } from '@claude-fleet/client'
import { FleetError, isEndState, LIMITS, type JobView } from '@claude-fleet/core'
import { stepsOf, type Step } from './chunks.js'
import { createCollector, type Outstanding } from './collect.js'
import { readJobs, type InputJob } from './input.js'
import type { Journal } from './journal.js'
import type { Output, OutputLine } from './output.js'
import type { Patience } from './patience.js'
import { sendChunk } from './send.js'

export interface RunParts {
  client: FleetClient
  journal: Journal
  output: Output
  patience: Patience
  /** Lines whose outcome the output already has. */
  done: ReadonlySet<number>
  onEnd: (line: OutputLine) => void
}

export interface RunOptions {
  path: string
  /** Jobs that are in the fleet at a time, at most. */
  concurrency: number
  /** Sends lines again of which nobody can know any more whether the fleet has them. */
  resend: boolean
  /** Sends nothing new, and cancels what was sent. */
  cancel: boolean
  signal: AbortSignal
}

/** The fleet remembers a key this long; less, so that clocks may differ. */
const REMEMBERED_MS = LIMITS.idempotencyMs - 3_600_000

/**
 * Brings every line to its outcome. Rejects with the first thing that is wrong with more than one line, with the signal's
 * reason when it aborts; whatever was sent goes on in the fleet, and a later run finds it.
 */
export async function runLines(parts: RunParts, options: RunOptions): Promise<void> {
  if (!options.resend) refuseForgotten(parts.journal)
  const stop = new AbortController()
  // A listener for every job that is waited for is what it is for.
  setMaxListeners(0, stop.signal)
  const abort = () => stop.abort(options.signal.reason)
  options.signal.addEventListener('abort', abort)
  if (options.signal.aborted) abort()
  const jobs = readJobs(options.path)
  const running = { ...options, signal: stop.signal }
  const collector = createCollector(
    { ...parts, onEnd: (outstanding, view) => writeEnd(parts, outstanding, view) },
    { signal: stop.signal, failed: (reason) => stop.abort(reason) },
  )
  try {
    // Two chunks in the fleet: one is worked on while the next is sent.
    const size = Math.max(1, Math.floor(options.concurrency / 2))
    for await (const step of stepsOf(jobs, { ...parts, size })) {
      stop.signal.throwIfAborted()
      await take(parts, step, running, collector)
    }
    await collector.atMost(0)
  } catch (error) {
    stop.abort(error)
  } finally {
    // All come to rest before the files are closed.
    await collector.rest()
    options.signal.removeEventListener('abort', abort)
  }
  stop.signal.throwIfAborted()
}

async function take(
  parts: RunParts,
  step: Step,
  { cancel, concurrency, signal }: RunOptions,
  collector: ReturnType<typeof createCollector>,
): Promise<void> {
  const { client, journal, patience } = parts
  const sent: Outstanding[] = []
  if (step.type === 'known') {
    await collector.atMost(concurrency - 1)
    sent.push(step)
  } else {
    if (cancel && step.isNew) return
    await collector.atMost(Math.max(0, concurrency - step.chunk.jobs.length))
    signal.throwIfAborted()
    const onSent = (job: InputJob, id: string) => void sent.push({ job, id })
    const onRefused = (job: InputJob, { code, message }: FleetError) =>
      write(parts, job, { state: 'refused', error: { code, message }, costUsd: 0 })
    await sendChunk({ client, journal, patience, onSent, onRefused }, step.chunk, signal)
  }
  for (const outstanding of sent) {
    if (parts.done.has(outstanding.job.line)) continue
    if (cancel) await cancelJob(parts, outstanding.id, signal)
    collector.add(outstanding)
  }
}

/** Throws when a line was sent so long ago, without an answer, that its key is no longer remembered. */
function refuseForgotten({ open }: Journal): void {
  for (const { lines, sentAt } of open.values()) {
    if (Date.now() - sentAt < REMEMBERED_MS) continue
    throw new FleetError(
      'INVALID_REQUEST',
      `line ${lines[0]} was sent over a day ago and its answer was never heard: it may have run; --resend sends it again`,
    )
  }
}

async function cancelJob({ client, patience }: RunParts, id: string, signal: AbortSignal): Promise<void> {
  try {
    await patience.call(() => client.job(id).cancel({ signal }))
  } catch (error) {
    // What the fleet does not keep any more is found out when its end is asked for.
    if (!(error instanceof FleetError) || error.code !== 'NOT_FOUND') throw error
  }
}

async function writeEnd(parts: RunParts, { job, id }: Outstanding, view: JobView | undefined): Promise<void> {
  if (view === undefined) {
    const error = { code: 'NOT_FOUND', message: 'the fleet does not keep this job any more, if it ever had it' }
    return write(parts, job, { id, state: 'unknown', error, costUsd: 0 })
  }
  const { state, batch, result, error, costUsd, usage } = view
  if (!isEndState(state)) throw new FleetError('INTERNAL', `job ${id} ended as ${state}`)
  return write(parts, job, { id, batch, state, result, error, costUsd, usage })
}

async function write(
  { output, onEnd }: RunParts,
  { line, customId }: InputJob,
  outcome: Omit<OutputLine, 'line' | 'customId'>,
): Promise<void> {
  const whole = { line, customId, ...outcome }
  await output.write(whole)
  onEnd(whole)
}
