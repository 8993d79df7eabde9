import { NO_USAGE, type JobResult, type JobSpec } from '@claude-fleet/core'
import { DelayedError, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { confirmHeld } from '../admission/holding.js'
import { closeCredential, closingOf } from '../admission/credentials.js'
import { OPEN_GATE, type AdmissionGate } from '../admission/gate.js'
import { newFence } from '../ids.js'
import { isNewerEnvelope, openEnvelope } from '../jobs/envelope.js'
import { createSigner } from '../jobs/signature.js'
import type { WriterOptions } from '../events/writer.js'
import { parseSeal } from '../jobs/seal.js'
import type { Keys } from '../keys.js'
import { isFull, pause, within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import type { AttemptOutcome, AttemptStop, Claim, Log } from '../types.js'
import { createHeld, openClaim, readBegun, withSessionBudget, type Begun, type Held } from './claim.js'
import { parkedForTheDay, withDayBudget } from './day-budget.js'
import { dispose, dispositionOfSeal, isOrder, type Disposition } from './disposition.js'
import type { Locks } from './locks.js'
import { quarantine } from './quarantine.js'
import { settle, unlessLost } from './settle.js'

const DISPOSE_MS = 10_000
/** Between two looks whether Redis has memory again. */
const FULL_MS = 1_000
/** While stopping, a Redis that does not answer is not waited for: the lock lapses by itself. */
const DISPOSE_STOPPING_MS = 1_000
/** Most of a mirrored transcript unless set, packed, bytes. */
const TRANSCRIPT_BYTES = 8 * 1_048_576
/** How long a job of a newer fleet rests before a worker looks at it again. */
const NEWER_MS = 60_000
/** How long it waits for a newer worker in all, from the first that did not know its version. */
const NEWER_WAIT_MS = 86_400_000

export interface AttemptsDeps {
  client: Redis
  keys: Keys
  log: Log
  locks: () => Locks
  run: (claim: Claim) => Promise<AttemptOutcome>
  admission?: AdmissionGate | undefined
  fingerprint?: ((credential: string) => string | undefined) | undefined
  has?: ((credential: string) => boolean) | undefined
}

export interface AttemptsOptions {
  workerId: string
  retentionMs: number
  jobKeys?: readonly Uint8Array[] | undefined
  labels?: readonly string[] | undefined
  events?: WriterOptions['gather']
  transcriptBytes?: number | undefined
}

/** The attempts in progress in this process. */
export interface Attempts {
  /** BullMQ's processor. */
  handle(job: Job, token: string): Promise<JobResult>
  /** Whether jobs that BullMQ still hands over go back unspent. */
  refuse(on: boolean): void
  running(): number
  ids(): string[]
  /** Asks one attempt to stop, or all. */
  stop(reason: AttemptStop, id?: string): void
  /** Resolves when nothing is in progress. */
  idle(): Promise<void>
}

interface Progress {
  held: Held
  token: string
  done: Promise<Disposition>
}

/** Invariant: at most one attempt of a job runs in this process, however often the job is handed to it. */
export function createAttempts(deps: AttemptsDeps, options: AttemptsOptions): Attempts {
  const { client, keys, log, admission = OPEN_GATE } = deps
  const signer = createSigner(options.jobKeys)
  const active = new Map<string, Progress>()
  const idlers: (() => void)[] = []
  let handling = 0
  let refusing = false
  /** The job on its last try that runs here. */
  let suspect: string | undefined

  const isEnding = async (id: string) => {
    const marks = await client.hmget(keys.job(id), 'seal', 'cancel')
    return marks.some((mark) => mark !== null)
  }
  const wakeWorkers = () => client.zadd(keys.bull('marker'), 0, '0')

  async function handle(job: Job, token: string): Promise<JobResult> {
    handling += 1
    try {
      return await handleCounted(job, token)
    } finally {
      handling -= 1
      if (handling === 0) for (const idler of idlers.splice(0)) idler()
    }
  }

  async function handleCounted(job: Job, token: string): Promise<JobResult> {
    const id = job.id ?? ''
    // No await between this look and `active.set`: two deliveries of one job cannot both start it.
    let progress = active.get(id)
    if (progress !== undefined) {
      log.warn({ jobId: id }, 'a job came again to the worker that runs it; the running attempt keeps it')
      progress.token = token
      deps.locks().swap(id, token, ageOf(job))
    } else if (refusing) {
      return await apply(job, token, { type: 'wait' })
    } else {
      progress = begin(job, token)
    }
    const disposition = await progress.done
    // An older delivery of the job has nothing to say any more.
    return await apply(job, token, progress.token === token ? disposition : { type: 'leave' })
  }

  function begin(job: Job, token: string): Progress {
    const id = job.id ?? ''
    const held = createHeld(id, newFence())
    const progress: Progress = { held, token, done: Promise.resolve({ type: 'leave' }) }
    deps.locks().hold({ id, token, fence: held.fence }, ageOf(job), {
      doubt() {
        log.warn({ jobId: id }, 'Redis does not confirm the lock of a job; its attempt is suspended')
        held.doubt(true)
      },
      sure() {
        log.warn({ jobId: id }, 'the lock of a job is confirmed again; its attempt goes on')
        held.doubt(false)
      },
      lost: held.lose,
    })
    const done = attempt(job, held, () => progress.token)
      .catch((err: unknown): Disposition => {
        log.error({ err, jobId: id }, 'an attempt broke off; its lock lapses and the job starts again')
        return { type: 'leave' }
      })
      .finally(() => {
        deps.locks().release(id)
        active.delete(id)
        if (suspect === id) suspect = undefined
      })
    progress.done = done
    active.set(id, progress)
    return progress
  }

  /** `token`: the lock's, which another delivery of the job changes. */
  async function attempt(job: Job, held: Held, token: () => string): Promise<Disposition> {
    const data: unknown = job.data
    if (isNewerEnvelope(data)) {
      const [waited] = await runScript(client, 'fleetWaitNewer', keys.job(held.id), [keys.prefix, held.id])
      if (Number(waited) >= NEWER_WAIT_MS) {
        return abandon(held, { fault: 'a newer fleet wrote the job, and no newer worker came in 24 h', forged: false })
      }
      log.warn({ jobId: held.id }, 'a job was written by a newer fleet; it waits for a newer worker')
      return { type: 'delay', ms: NEWER_MS }
    }
    const opened = openEnvelope(signer, held.id, data)
    if ('fault' in opened) return abandon(held, opened)
    const { tenant, spec } = opened.envelope
    const decision = await admission.admit({ tenant, spec })
    // A job that has ended or is to end needs no admission: it goes on, to be told so.
    if (decision.type === 'hold' && !(await isEnding(held.id))) return { type: 'delay', ms: decision.ms }
    const value = deps.fingerprint?.(spec.credential) ?? ''
    const beginAttempt = async (alone: boolean) => {
      const { workerId, retentionMs } = options
      const known = () => [keys.prefix, held.id, held.fence, workerId, spec.attempts, retentionMs, tenant, token()]
      return unlessFull(held, () =>
        unlessLost(
          held,
          runScript(client, 'fleetBegin', keys.job(held.id), [
            ...known(),
            alone ? '0' : '1',
            value,
            spec.credential,
            JSON.stringify(options.labels ?? []),
            spec.maxBudgetUsd ?? '',
            deps.has?.(spec.credential) === false ? '1' : '0',
          ]),
        ),
      )
    }
    let answer = await beginAttempt(false)
    if (answer?.[0] === 'apart' && suspect === undefined) {
      // No await between the look and this: two suspects cannot both begin.
      suspect = held.id
      log.warn({ jobId: held.id }, 'a job that lost its workers has its last try, apart from others of its kind')
      answer = await beginAttempt(true)
    }
    const [word, ...rest] = answer ?? ['lost']
    switch (word) {
      case 'run': {
        const begun = readBegun(rest)
        return runAndSettle(held, { tenant, spec: withSessionBudget(spec, begun), ...begun })
      }
      case 'sealed':
        return disposeSealed(rest[0])
      case 'early':
      case 'apart':
        return { type: 'delay', ms: Number(rest[0]) }
      case 'held':
        return { type: 'hold' }
      case 'pass':
        return { type: 'pass' }
      case 'missing':
        return abandon(held, { fault: 'the job has no record, or the record of another tenant', forged: false })
      default:
        return { type: 'wait' }
    }
  }

  /** Waits with the job in hand while Redis has no memory for it: given back, it would come again at once. */
  async function unlessFull(
    held: Held,
    tryToBegin: () => Promise<string[] | undefined>,
  ): Promise<string[] | undefined> {
    for (let waited = false; ; waited = true) {
      try {
        return await tryToBegin()
      } catch (cause) {
        if (!isFull(cause)) throw cause
        if (!waited) log.error({ jobId: held.id }, 'Redis is out of memory; a job waits for some before it begins')
      }
      if (refusing || held.stopped.aborted) return undefined
      await pause(FULL_MS, held.stopped)
    }
  }

  async function runAndSettle(held: Held, job: { tenant: string; spec: JobSpec } & Begun): Promise<Disposition> {
    const { claim, writer } = openClaim(
      { client, keys, log, gather: options.events, transcriptBytes: options.transcriptBytes ?? TRANSCRIPT_BYTES },
      held,
      { ...job, spec: withDayBudget(job.spec, job) },
    )
    let outcome: AttemptOutcome
    try {
      outcome = await deps.run(claim)
    } catch (err) {
      log.error({ err, jobId: held.id, attempt: job.attempt }, 'the run of an attempt threw')
      outcome = brokenOutcome(job, err)
    }
    try {
      const { retentionMs } = options
      await closeValue(job.spec.credential, outcome)
      outcome = parkedForTheDay(outcome, job, claim, job.spec.maxBudgetUsd)
      return await settle({ client, keys, log, retentionMs }, held, writer, job.attempt, outcome)
    } finally {
      writer.close()
    }
  }

  /** Before the outcome is written, so that nobody who waits for this job's end begins another with that value. */
  async function closeValue(name: string, outcome: AttemptOutcome): Promise<void> {
    const fingerprint = deps.fingerprint?.(name)
    const closing = closingOf(outcome)
    if (closing === undefined || fingerprint === undefined) return
    const { error, resumesAt } = closing
    if (resumesAt !== undefined)
      log.warn({ credential: name, fingerprint, resumesAt }, 'a credential has met its usage limit')
    else
      log.error(
        { credential: name, fingerprint, code: error.code },
        'the API refuses a credential; its jobs wait until it is resumed',
      )
    await within(
      DISPOSE_MS,
      closeCredential({ client, keys }, { name, fingerprint }, closing),
      'Redis did not answer',
    ).catch((err: unknown) => log.warn({ err, credential: name }, 'a credential could not be closed for all workers'))
  }

  /** The job can never run: it is put away where people can look at it, and its record, if it has one, says so. */
  async function abandon(held: Held, { fault, forged }: { fault: string; forged: boolean }): Promise<Disposition> {
    const quarantined = quarantine({ client, keys, log }, held.id, { fault, forged }, options.retentionMs)
    return (await unlessLost(held, quarantined)) === undefined ? { type: 'wait' } : { type: 'leave' }
  }

  async function apply(job: Job, token: string, disposition: Disposition): Promise<JobResult> {
    try {
      return await within(
        refusing ? DISPOSE_STOPPING_MS : DISPOSE_MS,
        keepOrders(
          dispose(job, token, disposition, {
            wakeWorkers,
            confirmHeld: () => confirmHeld(client, keys, [job.id ?? '']),
          }),
        ),
        'the queue did not answer',
      ).then((settled) => {
        if ('order' in settled) throw settled.order
        return settled.result
      })
    } catch (fault) {
      if (isOrder(fault)) throw fault
      // The record is written; the queue follows when the lock lapses, and the janitor sees to the rest.
      log.warn({ err: fault, jobId: job.id }, 'the queue was not told of an attempt')
      throw new DelayedError()
    }
  }

  return {
    handle,
    refuse: (on) => void (refusing = on),
    running: () => active.size,
    ids: () => [...active.keys()],
    stop(reason, id) {
      const chosen = id === undefined ? [...active.values()] : [active.get(id)]
      for (const progress of chosen) progress?.held.stop(reason)
    },
    idle: () => (handling === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  }
}

/** How long ago this worker was given the job, ms. The clock is the worker's own both times. */
function ageOf(job: Job): number {
  return Math.max(0, Date.now() - (job.processedOn ?? Date.now()))
}

function disposeSealed(seal: string | undefined): Disposition {
  const end = parseSeal(seal ?? '')
  return end === undefined
    ? { type: 'fail', message: 'INTERNAL: the end of the job is broken' }
    : dispositionOfSeal(end)
}

/** Orders to BullMQ travel as errors; `within` must not take them for failures of Redis. */
async function keepOrders<T>(work: Promise<T>): Promise<{ result: T } | { order: unknown }> {
  try {
    return { result: await work }
  } catch (fault) {
    if (isOrder(fault)) return { order: fault }
    throw fault
  }
}

function brokenOutcome({ attempt, failures, spec }: { spec: JobSpec } & Begun, fault: unknown): AttemptOutcome {
  const message = fault instanceof Error ? fault.message : String(fault)
  const again = failures + 1 < spec.attempts
  const error = { code: 'INTERNAL' as const, message, retryable: again, attempt, details: {} }
  const sums = { costUsd: 0, usage: NO_USAGE, tools: {} }
  return again ? { ...sums, type: 'retry', error, delayMs: spec.backoff.delayMs } : { ...sums, type: 'failed', error }
}
