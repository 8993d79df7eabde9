import type { EndEvent, JobResult } from '@claude-fleet/core'
import { DelayedError, UnrecoverableError, WaitingError, type Job } from 'bullmq'
import { HELD_MS } from '../admission/holding.js'
import { pause } from '../redis/deadline.js'
import type { AttemptOutcome } from '../types.js'

/** Longer than another worker takes to claim. */
const PASS_MS = 20

/** What BullMQ is to do with a job after an attempt. The record has been written by then; this only follows it. */
export type Disposition =
  | { type: 'complete'; result: JobResult }
  | { type: 'fail'; message: string }
  | { type: 'delay'; ms: number }
  /** Until its gate lets it go. */
  | { type: 'hold' }
  /** To the head of the queue. */
  | { type: 'wait' }
  /** To the head of the queue, for another worker: this one looks away for a moment. */
  | { type: 'pass' }
  /** The lock is another's. */
  | { type: 'leave' }

/** What follows from the end a job already has. */
export function dispositionOfSeal(end: EndEvent): Disposition {
  switch (end.type) {
    case 'completed':
      return { type: 'complete', result: end.result }
    case 'failed':
      return { type: 'fail', message: `${end.error.code}: ${end.error.message}` }
    case 'cancelled':
      return { type: 'fail', message: `CANCELLED: ${end.reason}` }
  }
}

/** What follows from an outcome that was written. */
export function dispositionOf(outcome: AttemptOutcome): Disposition {
  switch (outcome.type) {
    case 'completed':
      return { type: 'complete', result: outcome.result }
    case 'failed':
      return { type: 'fail', message: `${outcome.error.code}: ${outcome.error.message}` }
    case 'cancelled':
      return { type: 'fail', message: `CANCELLED: ${outcome.reason}` }
    case 'parked':
      return later(outcome.resumesAt - Date.now())
    case 'retry':
    case 'returned':
      return later(outcome.delayMs)
    case 'fenced':
      // If the lock is ours after all, the job need not wait for it to lapse; if not, BullMQ refuses.
      return { type: 'wait' }
  }
}

function later(ms: number): Disposition {
  return ms > 0 ? { type: 'delay', ms } : { type: 'wait' }
}

/**
 * Tells BullMQ. Returns what its processor is to return, or throws what it is to throw; BullMQ reads these three errors
 * as orders. Rejects with anything else when BullMQ refused.
 */
export async function dispose(
  job: Job,
  token: string,
  disposition: Disposition,
  { wakeWorkers, confirmHeld }: { wakeWorkers: () => Promise<unknown>; confirmHeld: () => Promise<unknown> },
): Promise<JobResult> {
  switch (disposition.type) {
    case 'complete':
      return disposition.result
    case 'fail':
      throw new UnrecoverableError(disposition.message)
    case 'delay':
      await job.moveToDelayed(Date.now() + disposition.ms, token)
      throw new DelayedError()
    case 'hold':
      await job.moveToDelayed(Date.now() + HELD_MS, token)
      await confirmHeld()
      throw new DelayedError()
    case 'wait':
      await job.moveToWait(token)
      await wakeWorkers()
      throw new WaitingError()
    case 'pass':
      await job.moveToWait(token)
      await wakeWorkers()
      // While this slot rests the others that are free ask first, and one of them is the worker it is meant for.
      await pause(PASS_MS)
      throw new WaitingError()
    case 'leave':
      throw new DelayedError()
  }
}

/** Is this one of the errors that BullMQ reads as an order? */
export function isOrder(fault: unknown): boolean {
  return fault instanceof DelayedError || fault instanceof WaitingError || fault instanceof UnrecoverableError
}
