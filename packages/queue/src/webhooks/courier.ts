import { FleetError } from '@claude-fleet/core'
import { Queue, Worker } from 'bullmq'
import type { QueueDeps } from '../jobs/producer.js'
import { createKeys, WEBHOOK_QUEUE_NAME } from '../keys.js'
import { clientOf, subscriptionsOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import type { Log } from '../types.js'
import { createRound, timeOf, type SendWebhook } from './round.js'
import { createVault } from './vault.js'

/** How often it looks for what is due, whatever it was told. */
const LOOK_MS = 1_000
/** Hints that come thick make one look in this time. */
const SOON_MS = 50
const PAGE = 500
/** Endpoints served at once by one process. */
const CONCURRENCY = 100
/** How long a dead process keeps an endpoint, and how often such are looked for, ms. */
const TIMING = { lockMs: 45_000, stalledMs: 10_000 }
const CLOSE_MS = 3_000
const START_MS = 10_000
/** A round that crashed is begun anew, however often. */
const NEVER = 1_000_000_000

export interface CourierOptions {
  prefix: string
  /** As of `createWebhooks`; at least one. */
  secretKeys: readonly Uint8Array[]
}

/** Delivers what the outbox holds. Any number may run at once; one at a time serves an endpoint. */
export interface Courier {
  /** Rejects with FleetError when Redis cannot be reached. */
  start(): Promise<void>
  /** Begins nothing more; requests in progress get `deadlineMs`, and are made again by whoever comes after. */
  stop(deadlineMs: number): Promise<void>
}

/**
 * The outbox is the truth: which delivery of which endpoint is due when. BullMQ's queue `webhooks` holds one job for an
 * endpoint that is due, whose id is the endpoint's, so that one process at a time serves it and endpoints take turns; a
 * process that dies loses its lock, and another begins the round anew. A look each second puts what is due into the
 * queue, so nothing is lost when a hint is. The connection must be of mode `worker`.
 * `timing` is for tests.
 */
export function createCourier(
  { redis, log, send }: QueueDeps & { send: SendWebhook },
  { prefix, secretKeys }: CourierOptions,
  timing = TIMING,
): Courier {
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const vault = createVault(secretKeys)
  const stopping = new AbortController()
  const cut = new AbortController()
  const serve = createRound({ client, keys, log, vault, send, stopping: stopping.signal, cut: cut.signal })
  let queue: Queue | undefined
  let worker: Worker | undefined
  let unlisten: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let again = false

  async function placeDue(): Promise<void> {
    const now = await timeOf(client)
    for (let offset = 0; !stopping.signal.aborted; offset += PAGE) {
      const due = await client.zrangebyscore(keys.hooksDue, '-inf', now, 'LIMIT', offset, PAGE)
      const opts = { removeOnComplete: true, removeOnFail: true, attempts: 1, stackTraceLimit: 0 }
      if (due.length > 0) {
        await queue?.addBulk(due.map((id) => ({ name: 'round', data: { webhook: id }, opts: { ...opts, jobId: id } })))
      }
      if (due.length < PAGE) return
    }
  }

  /** One look at a time; a hint during one makes another. */
  function look(): void {
    if (stopping.signal.aborted) return
    if (looking !== undefined) {
      again = true
      return
    }
    clearTimeout(timer)
    looking = placeDue()
      .catch((err: unknown) => log.warn({ err }, 'the webhooks that are due could not be looked up'))
      .finally(() => {
        looking = undefined
        if (stopping.signal.aborted) return
        const soon = again
        again = false
        timer = setTimeout(look, soon ? SOON_MS : LOOK_MS)
      })
  }

  async function start(): Promise<void> {
    if (queue !== undefined) throw new FleetError('INTERNAL', 'a courier starts once')
    queue = new Queue(WEBHOOK_QUEUE_NAME, { connection: client, prefix, streams: { events: { maxLen: 100 } } })
    queue.on('error', () => undefined)
    const made = new Worker(WEBHOOK_QUEUE_NAME, async (job) => serve(job.id ?? ''), {
      connection: client,
      prefix,
      concurrency: CONCURRENCY,
      autorun: false,
      lockDuration: timing.lockMs,
      stalledInterval: timing.stalledMs,
      maxStalledCount: NEVER,
    })
    worker = made
    made.on('error', (err) => log.debug({ err }, 'the queue of webhooks reported an error'))
    made.on('failed', (job, err) => log.warn({ err, webhook: job?.id }, 'a round of a webhook broke off'))
    made.on('completed', look)
    try {
      unlisten = await within(
        START_MS,
        subscriptionsOf(redis).listen(keys.hooksWake, { message: look, restored: look }),
        'Redis did not answer',
      )
      await within(START_MS, made.waitUntilReady(), 'Redis did not answer')
    } catch (cause) {
      await stop(0)
      throw cause
    }
    if (stopping.signal.aborted) return
    made.run().catch((err: unknown) => log.error({ err }, 'the delivery of webhooks broke off'))
    look()
  }

  async function stop(deadlineMs: number): Promise<void> {
    stopping.abort()
    clearTimeout(timer)
    unlisten?.()
    unlisten = undefined
    const deadline = setTimeout(() => cut.abort(), Math.max(0, deadlineMs))
    try {
      await within(CLOSE_MS, Promise.resolve(looking), 'the look did not end').catch(() => undefined)
      if (worker !== undefined) await closeWorker(worker, deadlineMs + CLOSE_MS, client.status !== 'ready', log)
      if (queue !== undefined) await within(CLOSE_MS, queue.close(), 'the queue did not close').catch(() => undefined)
    } finally {
      clearTimeout(deadline)
    }
  }

  return { start, stop }
}

/** BullMQ's own close never returns when Redis is gone, so a clock ends it. */
async function closeWorker(worker: Worker, ms: number, force: boolean, log: Log): Promise<void> {
  try {
    await within(ms, worker.close(force), 'the queue did not close')
  } catch (err) {
    log.warn({ err }, 'the queue of webhooks did not close in time; its connections are cut')
    await within(CLOSE_MS, worker.getBackend().close(true), 'the queue did not close').catch(() => undefined)
  }
}
