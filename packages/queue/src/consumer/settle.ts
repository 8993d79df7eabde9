import type { EventBody, FleetEvent, JobState } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { EventWriter, Spend } from '../events/writer.js'
import type { Keys } from '../keys.js'
import { parseSeal } from '../jobs/seal.js'
import { pause } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import type { AttemptOutcome, Log } from '../types.js'
import type { Held } from './claim.js'
import { dispositionOf, dispositionOfSeal, type Disposition } from './disposition.js'

const MAX_BACKOFF_MS = 2_000

export interface SettleDeps {
  client: Redis
  keys: Keys
  log: Log
  retentionMs: number
}

/**
 * Writes what an attempt came to, after all its events, and answers what BullMQ is to do. Tries until Redis has taken
 * it or the lock is lost: a result that was paid for is not thrown away because Redis was restarted.
 */
export async function settle(
  { client, keys, log, retentionMs }: SettleDeps,
  held: Held,
  writer: EventWriter,
  attempt: number,
  given: AttemptOutcome,
): Promise<Disposition> {
  let outcome = given
  await writer.flushed()
  let redo: { events: FleetEvent[]; force: boolean } = { events: [], force: false }
  for (let backoffMs = 100; outcome.type !== 'fenced' && !held.lost.aborted;) {
    const write = describe(outcome, attempt)
    const event = write.body === undefined ? undefined : writer.next(write.body)
    const events = event === undefined ? redo.events : [...redo.events, event]
    const args = [
      keys.prefix,
      held.id,
      held.fence,
      write.state,
      events[0]?.seq ?? 0,
      events[events.length - 1]?.seq ?? 0,
      events.length === 0 ? '' : JSON.stringify(events),
      write.ends && event !== undefined ? JSON.stringify(event) : '',
      retentionMs,
      redo.force ? '1' : '0',
      outcome.costUsd.toFixed(10),
      JSON.stringify({ usage: outcome.usage, tools: outcome.tools }),
      outcome.type === 'completed' ? (outcome.firstTextMs ?? '') : '',
      outcome.type === 'retry' ? '1' : '0',
      write.delayMs,
      outcome.type === 'parked' ? outcome.resumesAt : '',
      // A retry is the job's; the attempt itself has failed.
      outcome.type === 'retry' ? 'failed' : outcome.type,
      'error' in outcome ? outcome.error.code : '',
      outcome.type === 'retry' ? (outcome.turns ?? 0) : 0,
    ]
    let answer: string[] | undefined
    try {
      answer = await unlessLost(held, runScript(client, 'fleetSettle', keys.job(held.id), args))
    } catch (err) {
      log.warn({ err, jobId: held.id }, 'the outcome could not be written; trying again')
      await pause(backoffMs, held.lost)
      backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)
      continue
    }
    const [word, detail = ''] = answer ?? []
    if (word === 'ok') return dispositionOf(outcome)
    if (word === 'cancelled') {
      // Its end was asked for while it was about to go on.
      outcome = { ...sums(outcome), type: 'cancelled', reason: detail }
      continue
    }
    if (word === 'hole') {
      const missing = writer.sentAfter(Number(detail))
      redo = { events: missing ?? [], force: missing === undefined }
      continue
    }
    const end = word === 'sealed' ? parseSeal(detail) : undefined
    if (end !== undefined) return dispositionOfSeal(end)
    break
  }
  log.warn({ jobId: held.id, attempt, outcome: given.type }, 'the attempt was fenced: its outcome was not written')
  account(client, keys, held, attempt, mostOf(sums(given), writer.spend()), log)
  return dispositionOf({ ...sums(outcome), type: 'fenced' })
}

/** Puts what a fenced attempt cost into the ledger. Not waited for: Redis may be away for long. */
function account(client: Redis, keys: Keys, held: Held, attempt: number, spend: Spend, log: Log): void {
  const args = [keys.prefix, held.id, held.fence, attempt, JSON.stringify(spend)]
  runScript(client, 'fleetAccount', keys.job(held.id), args).catch((err: unknown) =>
    log.warn({ err, jobId: held.id, attempt, spend }, 'what a fenced attempt cost could not be written'),
  )
}

/** A turn that was cut short may know less of its cost than was written while it ran. */
function mostOf(outcome: Spend, written: Spend): Spend {
  return outcome.costUsd >= written.costUsd ? outcome : written
}

/** Rejects never because of the loss; answers undefined then. */
export async function unlessLost<T>(held: Held, work: Promise<T>): Promise<T | undefined> {
  if (held.lost.aborted) return undefined
  let leave: (() => void) | undefined
  const lost = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined)
    held.lost.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([work, lost])
  } finally {
    if (leave !== undefined) held.lost.removeEventListener('abort', leave)
  }
}

function sums({ costUsd, usage, tools }: AttemptOutcome) {
  return { costUsd, usage, tools }
}

interface Write {
  state: JobState
  ends: boolean
  body: EventBody | undefined
  delayMs: number
}

function describe(outcome: Exclude<AttemptOutcome, { type: 'fenced' }>, attempt: number): Write {
  switch (outcome.type) {
    case 'completed':
      return { state: 'completed', ends: true, body: { type: 'completed', result: outcome.result }, delayMs: 0 }
    case 'failed':
      return { state: 'failed', ends: true, body: { type: 'failed', error: outcome.error }, delayMs: 0 }
    case 'cancelled':
      return { state: 'cancelled', ends: true, body: { type: 'cancelled', reason: outcome.reason }, delayMs: 0 }
    case 'retry': {
      const { error, delayMs } = outcome
      const body: EventBody = { type: 'retry', error, nextAttempt: attempt + 1, delayMs }
      return { state: delayMs > 0 ? 'delayed' : 'waiting', ends: false, body, delayMs: whole(delayMs) }
    }
    case 'parked': {
      const { error, resumesAt } = outcome
      const body: EventBody = { type: 'parked', error, resumesAt }
      return { state: 'parked', ends: false, body, delayMs: whole(resumesAt - Date.now()) }
    }
    case 'returned':
      return {
        state: outcome.delayMs > 0 ? 'delayed' : 'waiting',
        ends: false,
        body: undefined,
        delayMs: whole(outcome.delayMs),
      }
  }
}

function whole(ms: number): number {
  return Math.max(0, Math.round(ms))
}
