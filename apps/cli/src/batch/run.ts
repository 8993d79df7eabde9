import type { FleetClient, Job } from '@claude-fleet/client'
import { FleetError, isEndState, isFleetError, LIMITS, type JobView } from '@claude-fleet/core'
import { readJobs, type InputJob } from './input.js'
import type { Journal } from './journal.js'
import type { Output, OutputLine } from './output.js'
import type { Patience } from './patience.js'

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
  signal: AbortSignal
}

/** The fleet remembers a key this long; less, so that clocks may differ. */
const REMEMBERED_MS = LIMITS.idempotencyMs - 3_600_000

/**
 * Brings every line to its outcome. Rejects with the first thing that is wrong with more than one line, with the signal's
 * reason when it aborts; whatever was sent goes on in the fleet, and a later run finds it.
 */
export async function runLines(parts: RunParts, options: RunOptions): Promise<void> {
  if (!options.resend) refuseForgotten(parts)
  const jobs = readJobs(options.path)
  const stop = new AbortController()
  const abort = () => stop.abort(options.signal.reason)
  options.signal.addEventListener('abort', abort)
  if (options.signal.aborted) abort()
  const worker = async () => {
    try {
      for (;;) {
        stop.signal.throwIfAborted()
        const { value: job, done } = await jobs.next()
        if (done === true) return
        if (!parts.done.has(job.line)) await runLine(parts, job, { ...options, signal: stop.signal })
      }
    } catch (error) {
      stop.abort(error)
      throw error
    }
  }
  try {
    // All come to rest before the files are closed.
    await Promise.allSettled(Array.from({ length: options.concurrency }, worker))
    stop.signal.throwIfAborted()
  } finally {
    options.signal.removeEventListener('abort', abort)
    await jobs.return(undefined)
  }
}

/** Throws when a line was sent so long ago, without an answer, that its key is no longer remembered. */
function refuseForgotten({ journal, done }: RunParts): void {
  for (const [line, { id, sentAt }] of journal.sent) {
    if (id !== undefined || done.has(line) || Date.now() - sentAt < REMEMBERED_MS) continue
    throw new FleetError(
      'INVALID_REQUEST',
      `line ${line} was sent over a day ago and its answer was never heard: it may have run; --resend sends it again`,
    )
  }
}

async function runLine(parts: RunParts, job: InputJob, options: RunOptions): Promise<void> {
  const { line, customId } = job
  const write = async (outcome: Omit<OutputLine, 'line' | 'customId'>) => {
    const whole = { line, customId, ...outcome }
    await parts.output.write(whole)
    parts.onEnd(whole)
  }
  const found = await enqueue(parts, job, options)
  if (isFleetError(found)) return write({ state: 'refused', error: problem(found), costUsd: 0 })
  const view = await waitForEnd(found, parts.patience, options.signal)
  if (view === undefined) {
    const error = { code: 'NOT_FOUND', message: 'the fleet does not keep this job any more, if it ever had it' }
    return write({ id: found.id, state: 'unknown', error, costUsd: 0 })
  }
  const { id, state, result, error, costUsd, usage } = view
  if (!isEndState(state)) throw new FleetError('INTERNAL', `job ${id} ended as ${state}`)
  return write({ id, state, result, error, costUsd, usage })
}

/** The job of a line, enqueued unless it was. A refusal that is about this line alone is returned. */
async function enqueue(parts: RunParts, job: InputJob, options: RunOptions): Promise<Job | FleetError> {
  const { client, journal, patience } = parts
  const { line, input } = job
  const { signal } = options
  const id = journal.sent.get(line)?.id
  if (id !== undefined) return client.job(id)
  const idempotencyKey = `batch-${journal.token}-${line}`
  await journal.sending(line)
  try {
    const enqueued = await patience.call(() => client.enqueue(input, { idempotencyKey, signal }))
    await journal.answered(line, enqueued.id)
    return enqueued
  } catch (error) {
    if (isFleetError(error) && isAboutTheJob(error)) return error
    throw error
  }
}

/** Without a field it is the key, or the fleet, that refuses every line. */
function isAboutTheJob({ code, details }: FleetError): boolean {
  if (code === 'PAYLOAD_TOO_LARGE') return true
  return (code === 'INVALID_REQUEST' || code === 'FORBIDDEN') && Array.isArray(details['errors'])
}

/** The job when it has ended, undefined when the fleet does not know it. */
async function waitForEnd(job: Job, patience: Patience, signal: AbortSignal): Promise<JobView | undefined> {
  for (;;) {
    try {
      await job.result({ signal })
    } catch {
      // Failed, cancelled or out of reach: what is so is asked for next.
      signal.throwIfAborted()
    }
    try {
      const view = await patience.call(() => job.get({ signal }))
      if (isEndState(view.state)) return view
    } catch (error) {
      if (!isFleetError(error) || error.code !== 'NOT_FOUND') throw error
      // A fleet's answer over HTTP has a request id; another web server's has not.
      const { status, requestId } = error.details
      if (status === undefined || requestId !== undefined) return undefined
      throw error
    }
  }
}

function problem({ code, message }: FleetError): { code: string; message: string } {
  return { code, message }
}
