import type { JobSpec } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { createWriter, type EventWriter, type WriterOptions } from '../events/writer.js'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import { createClaimTranscript } from '../transcripts/claim-transcript.js'
import type { AttemptStop, Claim, ClaimLock, LockState, Log } from '../types.js'

/** One attempt of this process at one job, from the moment BullMQ handed it over. */
export interface Held {
  readonly id: string
  readonly fence: string
  /** Aborted when the lock can no longer be counted on: from then on nothing is written. */
  readonly lost: AbortSignal
  lose(): void
  /** Whether the lock is sure; changed by the locks alone. */
  readonly lock: ClaimLock
  doubt(doubtful: boolean): void
  /** Asks the attempt to stop. The first reason holds. */
  stop(reason: AttemptStop): void
  readonly stopped: AbortSignal
}

/** A job in the hands of this process. */
export function createHeld(id: string, fence: string): Held {
  const lost = new AbortController()
  const stopped = new AbortController()
  const stop = (reason: AttemptStop) => {
    stopped.abort(reason)
    letGo()
  }
  const lose = () => {
    lost.abort()
    stopped.abort({ kind: 'fenced' } satisfies AttemptStop)
  }
  /** A worker that shuts down does not wait for a Redis that is away: the job is then taken over by its lock. */
  const letGo = () => {
    if (state === 'doubtful' && (stopped.signal.reason as AttemptStop | undefined)?.kind === 'drain') lose()
  }
  const listeners = new Set<(state: LockState) => void>()
  let state: LockState = 'sure'
  return {
    id,
    fence,
    lost: lost.signal,
    lose,
    lock: {
      get state() {
        return state
      },
      onChange(listener) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    },
    doubt(doubtful) {
      state = doubtful ? 'doubtful' : 'sure'
      for (const listener of listeners) listener(state)
      letGo()
    },
    stop,
    stopped: stopped.signal,
  }
}

/** What the `begin` script answered for an attempt that may run. */
export interface Begun {
  attempt: number
  failures: number
  seq: number
  createdAt: number
  queueMs: number
  spentUsd: number
  spentTurns: number
  /** USD that the job's session may still spend; undefined: any. */
  sessionBudgetUsd: number | undefined
  /** USD that the job's tenant may still spend today; undefined: any. */
  dayBudgetUsd: number | undefined
}

/** Reads the words after `run`. */
export function readBegun(words: readonly string[]): Begun {
  const [attempt, failures, seq, createdAt, queueMs, spentUsd, spentTurns] = words.map(Number)
  const usd = (word: string | undefined) => (word === undefined || word === '' ? undefined : Number(word) / 1e6)
  return {
    attempt: attempt ?? 0,
    failures: failures ?? 0,
    seq: seq ?? 0,
    createdAt: createdAt ?? 0,
    queueMs: queueMs ?? 0,
    spentUsd: spentUsd ?? 0,
    spentTurns: spentTurns ?? 0,
    sessionBudgetUsd: usd(words[7]),
    dayBudgetUsd: usd(words[8]),
  }
}

export interface ClaimDeps {
  client: Redis
  keys: Keys
  log: Log
  gather?: WriterOptions['gather']
  /** Most that a mirrored transcript may have, packed, bytes. */
  transcriptBytes: number
}

/** The job with what its session may still spend as a limit: it has its own, or this, whichever is less. */
export function withSessionBudget(spec: JobSpec, { spentUsd, sessionBudgetUsd }: Begun): JobSpec {
  if (sessionBudgetUsd === undefined) return spec
  // The job's own limit is over all its attempts, and what the earlier ones spent is in the session's sum.
  return { ...spec, maxBudgetUsd: Math.min(spec.maxBudgetUsd ?? Infinity, spentUsd + sessionBudgetUsd) }
}

/** The claim that the worker's `run` gets, and the writer behind it. */
export function openClaim(
  { client, keys, log, gather, transcriptBytes }: ClaimDeps,
  held: Held,
  job: { tenant: string; spec: JobSpec } & Begun,
): { claim: Claim; writer: EventWriter } {
  let isBroke = false
  const writer = createWriter(
    {
      log,
      send: ({ first, last, json, force, spend }) =>
        runScript(client, 'fleetAppend', keys.job(held.id), [
          keys.prefix,
          held.id,
          held.fence,
          first,
          last,
          json,
          force ? '1' : '0',
          spend === undefined ? '' : JSON.stringify(spend),
        ]),
      onFenced: () => held.lose(),
      onCancel: (reason) => held.stop({ kind: 'cancelled', reason }),
      onBroke: () => void (isBroke = true),
    },
    { jobId: held.id, attempt: job.attempt, seq: job.seq, gather },
  )
  held.lost.addEventListener('abort', () => writer.close(), { once: true })
  const claim: Claim = {
    jobId: held.id,
    tenant: job.tenant,
    spec: job.spec,
    createdAt: job.createdAt,
    attempt: job.attempt,
    failures: job.failures,
    queueMs: job.queueMs,
    spentUsd: job.spentUsd,
    spentTurns: job.spentTurns,
    signal: held.stopped,
    lock: held.lock,
    isBroke: () => isBroke,
    transcript: createClaimTranscript(
      { client, keys },
      { id: held.id, fence: held.fence, session: job.spec.session, maxBytes: transcriptBytes },
    ),
    write: writer.write,
    spent: writer.spent,
    async drained() {
      if (held.stopped.aborted) return
      let leave: (() => void) | undefined
      const stopped = new Promise<void>((resolve) => {
        leave = resolve
        held.stopped.addEventListener('abort', leave, { once: true })
      })
      await Promise.race([writer.drained(), stopped])
      if (leave !== undefined) held.stopped.removeEventListener('abort', leave)
    },
  }
  return { claim, writer }
}
