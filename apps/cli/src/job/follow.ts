import type { Job } from '@claude-fleet/client'
import type { StreamEvent } from '@claude-fleet/core'
import { EXIT, exitCodeOfJobError } from '../exit-code.js'
import { say, type Terminal } from '../terminal.js'
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

/** Prints a job's events until its last. Resolves to the exit code that its end means. */
export async function follow(job: Job, terminal: Terminal, options: FollowOptions): Promise<number> {
  const printer = createPrinter(terminal, { json: options.json, now: Date.now })
  const leave = new AbortController()
  let cancelled = false
  using _ = terminal.onSignal(() => {
    if (cancelled || options.onInterrupt === 'leave') return leave.abort()
    cancelled = true
    printer.note(`cancelling ${job.id}; once more leaves it running`)
    job.cancel().catch((error: unknown) => say(terminal, `cannot cancel: ${String(error)}`))
  })
  try {
    for await (const event of job.events({ signal: leave.signal, after: options.after })) {
      printer.print(event)
      const exitCode = exitCodeAt(event, cancelled, options.wait)
      if (exitCode !== undefined) return exitCode
    }
    if (!leave.signal.aborted) return await exitCodeOfEnd(job)
    printer.end()
    printer.note(`left ${job.id}; claude-fleet tail ${job.id} goes on`)
    return EXIT.interrupted
  } finally {
    printer.end()
  }
}

/** The exit code that this event decides, or undefined while the job goes on. */
function exitCodeAt(event: StreamEvent, cancelled: boolean, wait: boolean): number | undefined {
  switch (event.type) {
    case 'completed':
      return EXIT.ok
    case 'failed':
      return exitCodeOfJobError(event.error.code)
    case 'cancelled':
      return cancelled ? EXIT.interrupted : EXIT.jobFailed
    case 'parked':
      return wait ? undefined : EXIT.parked
    default:
      return undefined
  }
}

/** For a stream with nothing left to tell: its last event was the caller's `after` already. */
async function exitCodeOfEnd(job: Job): Promise<number> {
  const { state, error } = await job.get()
  if (state === 'completed') return EXIT.ok
  return error === undefined ? EXIT.jobFailed : exitCodeOfJobError(error.code)
}
