import type { Job } from '@claude-fleet/client'
import { FleetError, type StreamEvent } from '@claude-fleet/core'
import { describeError, EXIT, exitCodeOfJobError } from '../exit-code.js'
import type { Terminal } from '../terminal.js'
import { createPrinter } from './printer.js'

export interface FollowOptions {
  json: boolean
  /** Goes on after the event with this `seq`. */
  after?: number | undefined
  /** Waits for a parked job, in place of leaving with 75. */
  wait: boolean
  /** What Ctrl-C does: `cancel` cancels the job and a second one leaves; `leave` leaves at once. */
  onInterrupt: 'cancel' | 'leave'
}

/**
 * Gets a job by `begin` and prints its events until its last. Resolves to the exit code that its end means. Ctrl-C is
 * heard from the start: a job that comes into being after it is cancelled at once.
 */
export async function follow(
  begin: (signal: AbortSignal) => Promise<Job>,
  terminal: Terminal,
  options: FollowOptions,
): Promise<number> {
  const printer = createPrinter(terminal, { json: options.json, now: Date.now })
  const leave = new AbortController()
  const { signal } = leave
  let presses = 0
  let job: Job | undefined
  using _ = terminal.onSignal(() => {
    presses += 1
    if (presses > 1 || options.onInterrupt === 'leave') return leave.abort(new FleetError('CANCELLED', 'interrupted'))
    if (job !== undefined) return cancel(job)
    printer.note('cancelling as soon as the fleet has answered; once more leaves')
  })

  function cancel({ id, cancel: ask }: Job): void {
    printer.note(`cancelling ${id}; once more leaves it running`)
    ask({ signal }).catch((error: unknown) => {
      if (!signal.aborted) printer.note(`${id} could not be cancelled: ${describeError(error).line}`)
    })
  }

  try {
    try {
      job = await begin(signal)
    } catch (error) {
      if (!signal.aborted) throw error
      printer.note('left before the fleet answered: the job may be there; claude-fleet jobs tells')
      return EXIT.interrupted
    }
    if (presses > 0) cancel(job)
    printer.begin(job.id)
    const onInterruption = (reason: unknown) => printer.note(`${describeError(reason).line}; trying again`)
    for await (const event of job.events({ signal, after: options.after, onInterruption })) {
      printer.print(event)
      const exitCode = exitCodeAt(event, presses > 0)
      if (exitCode !== undefined) return exitCode
      if (event.type === 'parked' && !options.wait && (await isParkedBy(job, event, signal))) {
        printer.note(`claude-fleet tail --wait ${job.id} waits for it`)
        return EXIT.parked
      }
    }
    if (!signal.aborted) return await exitCodeOfEnd(job)
    printer.note(`left ${job.id}; claude-fleet tail ${job.id} goes on`)
    return EXIT.interrupted
  } finally {
    printer.end()
  }
}

/** The exit code that this event decides, or undefined while the job goes on. */
function exitCodeAt(event: StreamEvent, cancelled: boolean): number | undefined {
  switch (event.type) {
    case 'completed':
      return EXIT.ok
    case 'failed':
      return exitCodeOfJobError(event.error.code)
    case 'cancelled':
      return cancelled ? EXIT.interrupted : EXIT.jobFailed
    default:
      return undefined
  }
}

/** Is the job parked now, by this very event? A stream is told from its start, and the job may have gone on since. */
async function isParkedBy(job: Job, event: { resumesAt?: number | undefined }, signal: AbortSignal): Promise<boolean> {
  try {
    const { state, resumesAt } = await job.get({ signal })
    return state === 'parked' && resumesAt === event.resumesAt
  } catch {
    return !signal.aborted && (event.resumesAt ?? Infinity) > Date.now()
  }
}

/** For a stream with nothing left to tell: its last event was the caller's `after` already. */
async function exitCodeOfEnd(job: Job): Promise<number> {
  const { state, error } = await job.get()
  if (state === 'completed') return EXIT.ok
  return error === undefined ? EXIT.jobFailed : exitCodeOfJobError(error.code)
}
