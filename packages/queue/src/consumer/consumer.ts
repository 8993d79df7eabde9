import { FleetError } from '@claude-fleet/core'
import { Worker } from 'bullmq'
import { z } from 'zod'
import { balanceShares } from '../admission/shares.js'
import type { AdmissionGate } from '../admission/gate.js'
import type { QueueDeps } from '../jobs/producer.js'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { checkRedis } from '../redis/check.js'
import { closeWorker } from '../redis/close-worker.js'
import { clientOf, subscriptionsOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { createReach } from '../redis/reach.js'
import { runScript } from '../redis/scripts.js'
import { createTide, type Tide } from '../redis/tide.js'
import type { AttemptOutcome, Claim, Consumer, ConsumerOptions } from '../types.js'
import { createAttempts } from './attempts.js'
import { parseControl } from './control.js'
import { createLocks, type LockHold, type Locks, type Renewal } from './locks.js'
import { createReaper } from './reaper.js'
import { quarantineBroken, quarantineOversized } from './quarantine.js'
import { LOCK_TIMING, type LockTiming } from './timing.js'

const START_MS = 10_000
/** A cancel request that was published while this worker could not hear is found by looking, this often. */
const CANCEL_CHECK_MS = 2_000
/** Broken jobs are looked for at most this often. */
const LOOK_MS = 100
/** BullMQ fails a job past this without calling us; the fleet counts lost workers itself. */
const NEVER = 1_000_000_000

const renewalSchema = z.enum(['kept', 'reclaimed', 'lost'])

export interface ConsumerDeps extends QueueDeps {
  /** Runs one attempt. Must settle soon after `claim.signal` aborts; what it throws counts as `INTERNAL`. */
  run: (claim: Claim) => Promise<AttemptOutcome>
  admission?: AdmissionGate | undefined
  /** Names this worker's value of a credential: what `fingerprintOf` makes of it. Default: values are not looked at. */
  fingerprint?: ((credential: string) => string | undefined) | undefined
  /** Whether this worker has a value of a credential: jobs of others wait for a worker that has. Default: it has all. */
  has?: ((credential: string) => boolean) | undefined
}

type ConsumerState = 'new' | 'starting' | 'claiming' | 'held' | 'paused' | 'stopping' | 'stopped'

/**
 * Claims jobs through a BullMQ worker, whose counters, lock renewal and retries are not used: attempts, fences and
 * outcomes are the record's. `timing` is for tests.
 */
export function createConsumer(
  deps: ConsumerDeps,
  options: ConsumerOptions,
  timing: LockTiming = LOCK_TIMING,
): Consumer {
  const { redis, log } = deps
  const client = clientOf(redis)
  const keys = createKeys(options.prefix)
  let state: ConsumerState = 'new'
  let holding = false
  let worker: Worker | undefined
  let locks: Locks | undefined
  let cancelTimer: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined
  let stopping: Promise<void> | undefined
  let deadlineTimer: NodeJS.Timeout | undefined
  let deadlineAt = Infinity
  let lookTimer: NodeJS.Timeout | undefined
  let tide: Tide | undefined

  const reach = createReach(client)
  const alsoDo = async () => {
    await quarantineOversized({ client, keys, log }, options.retentionMs)
    await balanceShares(client, keys)
  }
  const reaper = createReaper({ client, keys, log, alsoDo }, timing)
  const attempts = createAttempts({ ...deps, client, keys, locks: heldLocks }, options)

  function heldLocks(): Locks {
    if (locks === undefined) throw new FleetError('INTERNAL', 'the consumer has not started')
    return locks
  }

  const renewNow = () => locks?.renew()

  async function renewLocks(holds: readonly LockHold[], lockMs: number): Promise<Renewal[]> {
    const replies = await Promise.all(
      holds.map(({ id, token, fence }) =>
        runScript(client, 'fleetRenew', keys.job(id), [keys.prefix, id, token, lockMs, fence]),
      ),
    )
    return replies.map(([word]) => renewalSchema.parse(word))
  }

  async function start(): Promise<void> {
    if (state !== 'new') throw new FleetError('INTERNAL', `a consumer starts once; it is ${state}`)
    state = 'starting'
    await checkRedis(redis)
    reaper.start()
    tide = createTide({ client, keys, log })
    const made = new Worker(QUEUE_NAME, (job, token) => attempts.handle(job, token ?? ''), {
      connection: client,
      prefix: options.prefix,
      name: options.workerId,
      concurrency: options.concurrency,
      autorun: false,
      lockDuration: timing.lockMs,
      skipLockRenewal: true,
      // BullMQ's check does not rest after a gap in Redis's service, and would double every job that runs.
      skipStalledCheck: true,
      maxStalledCount: NEVER,
    })
    worker = made
    made.on('error', onWorkerError)
    locks = createLocks({ renew: renewLocks, reachable: reach.reachable, log }, timing)
    client.on('ready', renewNow)
    try {
      unlisten = await within(
        START_MS,
        subscriptionsOf(redis).listen(keys.control, { message: onControl, restored: () => void checkCancels() }),
        'Redis did not answer',
      )
      await within(START_MS, made.waitUntilReady(), 'Redis did not answer')
    } catch (cause) {
      await stop(0)
      throw cause
    }
    cancelTimer = setInterval(() => void checkCancels(), CANCEL_CHECK_MS)
    if (state !== 'starting') return
    state = 'held'
    if (!holding) claim()
  }

  function claim(): void {
    if (state !== 'held' || worker === undefined) return
    state = 'claiming'
    attempts.refuse(false)
    const claiming = worker.isPaused() ? worker.resume() : worker.run()
    claiming.catch((err: unknown) => log.error({ err }, 'the claiming of jobs broke off'))
  }

  function hold(on: boolean): void {
    holding = on
    if (!on) return claim()
    if (state !== 'claiming') return
    state = 'held'
    stopClaiming()
  }

  function stopClaiming(): void {
    attempts.refuse(true)
    worker?.pause(true).catch((err: unknown) => log.debug({ err }, 'the queue reported an error'))
  }

  /**
   * BullMQ does not say which job it could not parse, and when it met it while it finished another it does not even say
   * that. So any error that is not the connection's is a reason to look.
   */
  function onWorkerError(err: Error): void {
    log.debug({ err }, 'the queue reported an error')
    if (client.status !== 'ready' || state === 'stopping' || state === 'stopped') return
    lookTimer ??= setTimeout(() => {
      lookTimer = undefined
      quarantineBroken({ client, keys, log }, options.retentionMs).catch((cause: unknown) =>
        log.warn({ err: cause }, 'a broken job could not be put into quarantine'),
      )
    }, LOOK_MS)
  }

  function onControl(text: string): void {
    const message = parseControl(text)
    if (message?.type === 'cancel') attempts.stop({ kind: 'cancelled', reason: message.reason }, message.id)
  }

  async function checkCancels(): Promise<void> {
    const ids = attempts.ids()
    if (ids.length === 0 || client.status !== 'ready') return
    const pipeline = client.pipeline()
    for (const id of ids) pipeline.hget(keys.job(id), 'cancel')
    const replies = (await pipeline.exec().catch(() => null)) ?? []
    for (const [at, id] of ids.entries()) {
      const reason = replies[at]?.[1]
      if (typeof reason === 'string') attempts.stop({ kind: 'cancelled', reason }, id)
    }
  }

  function pause(): void {
    if (state !== 'claiming' && state !== 'held') return
    state = 'paused'
    stopClaiming()
  }

  function stop(deadlineMs: number): Promise<void> {
    pause()
    attempts.refuse(true)
    const at = performance.now() + deadlineMs
    if (at < deadlineAt) {
      deadlineAt = at
      clearTimeout(deadlineTimer)
      deadlineTimer = setTimeout(() => attempts.stop({ kind: 'drain' }), Math.max(0, deadlineMs))
    }
    stopping ??= finish()
    return stopping
  }

  async function finish(): Promise<void> {
    state = 'stopping'
    await attempts.idle()
    clearTimeout(deadlineTimer)
    clearInterval(cancelTimer)
    clearTimeout(lookTimer)
    unlisten?.()
    tide?.close()
    await reaper.stop()
    if (worker !== undefined) await closeWorker(worker, client, log)
    client.off('ready', renewNow)
    locks?.close()
    reach.close()
    state = 'stopped'
  }

  return { watch: reaper.start, start, hold, pause, running: attempts.running, stop }
}
