import type { FleetClient, Job } from '@claude-fleet/client'
import { isEndState, isFleetError, type JobView } from '@claude-fleet/core'
import type { InputJob } from './input.js'
import type { Patience } from './patience.js'

/** A job in the fleet whose end is waited for. */
export interface Outstanding {
  job: InputJob
  id: string
}

export interface CollectParts {
  client: FleetClient
  patience: Patience
  /** Undefined: the fleet does not know the job. */
  onEnd: (outstanding: Outstanding, view: JobView | undefined) => Promise<void>
}

/** Waits for the ends of jobs, whichever comes first. */
export interface Collector {
  add(outstanding: Outstanding): void
  /** Resolves when at most this many are outstanding. */
  atMost(count: number): Promise<void>
  /** Resolves when nothing is being waited for or written: after the end, or after the signal. */
  rest(): Promise<void>
}

/** Jobs that are waited for at a time: each is a connection. */
const WATCHED = 100
/** How long one is waited for while others stand in line. */
const TURN_MS = 2_000

/** `failed` gets the first thing that is wrong; from then on nothing is waited for. */
export function createCollector(
  parts: CollectParts,
  { signal, failed }: { signal: AbortSignal; failed: (reason: unknown) => void },
): Collector {
  const line: Outstanding[] = []
  const waiters = new Set<() => void>()
  let watched = 0
  signal.addEventListener('abort', fill, { once: true })

  function fill(): void {
    for (const wake of waiters) wake()
    waiters.clear()
    while (watched < WATCHED && line.length > 0 && !signal.aborted) {
      watched += 1
      void watch(line.shift() as Outstanding)
    }
  }

  async function watch(outstanding: Outstanding): Promise<void> {
    const job = parts.client.job(outstanding.id)
    try {
      const ended = await waitForEnd(job)
      if (ended === 'not yet') line.push(outstanding)
      else await parts.onEnd(outstanding, ended)
    } catch (error) {
      failed(error)
    } finally {
      watched -= 1
      fill()
    }
  }

  /** Waits for the job, while no other stands in line for long. The oldest come first: those behind have hardly begun. */
  async function isTurnOver(job: Job): Promise<boolean> {
    const turn = new AbortController()
    const leave = () => turn.abort(signal.reason)
    const timer = setInterval(() => line.length > 0 && turn.abort(), TURN_MS)
    signal.addEventListener('abort', leave, { once: true })
    try {
      await job.result({ signal: turn.signal })
      return false
    } catch {
      signal.throwIfAborted()
      // Else it failed, was cancelled or is out of reach: what is so is asked for next.
      return turn.signal.aborted
    } finally {
      clearInterval(timer)
      signal.removeEventListener('abort', leave)
    }
  }

  /** The job when it has ended; undefined when the fleet does not know it. */
  async function waitForEnd(job: Job): Promise<JobView | 'not yet' | undefined> {
    for (;;) {
      if (await isTurnOver(job)) return 'not yet'
      try {
        const view = await parts.patience.call(() => job.get({ signal }))
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

  return {
    add(outstanding) {
      line.push(outstanding)
      fill()
    },
    atMost: (count) => until(() => line.length + watched <= count || signal.aborted),
    rest: () => until(() => watched === 0),
  }

  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => waiters.add(resolve))
  }
}
