import { FleetError, isFleetError, latestTick } from '@claude-fleet/core'
import { Queue, Worker, type Job } from 'bullmq'
import { OPEN_GATE } from '../admission/gate.js'
import { newFence } from '../ids.js'
import type { ProducerDeps, ProducerOptions } from '../jobs/producer.js'
import { createSigner } from '../jobs/signature.js'
import { createKeys, QUEUE_NAME, TICKS_NAME } from '../keys.js'
import { closeWorker } from '../redis/close-worker.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { createFiring, type Occasion } from './firing.js'
import { readSchedule, type ScheduleRecord } from './record.js'
import { createSchedulers, parseTick, TICK_SETTINGS, tickSchema } from './schedulers.js'

const START_MS = 10_000
const CALL_MS = 5_000
const CLOSE_MS = 2_000
const AT_ONCE = 8
/** BullMQ fails a job past this without calling us. */
const NEVER = 1_000_000_000

export interface TickerTiming {
  /** How long a time of a schedule is one ticker's alone, ms. */
  lockMs: number
  /** How often times whose ticker died are looked for, ms. */
  stalledMs: number
  /** How often schedules are compared with BullMQ's schedulers, by one ticker of the fleet, ms. */
  mendMs: number
}

const TIMING: TickerTiming = { lockMs: 15_000, stalledMs: 5_000, mendMs: 30_000 }

/** Makes the jobs of schedules when their times come. Any number may run at once; each time is dealt with once. */
export interface Ticker {
  /** Resolves when the first time may come. Rejects with FleetError `UNAVAILABLE`. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * BullMQ's job schedulers make a job of the queue `ticks` of each time, and here it is turned into a job of the fleet. The
 * record of the schedule has the last word: on whether the time is still one, and on what was made of it. So a time
 * that comes twice, after a crash or a clock that was set back, makes one job. `timing` and `now` are for tests.
 */
export function createTicker(
  { redis, log, admission = OPEN_GATE }: ProducerDeps,
  { prefix, retentionMs, jobKeys }: ProducerOptions,
  { timing = TIMING, now = Date.now }: { timing?: TickerTiming; now?: () => number } = {},
): Ticker {
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const queue = new Queue(QUEUE_NAME, { connection: client, prefix })
  queue.on('error', () => undefined)
  const schedulers = createSchedulers(client, keys, log)
  const firing = createFiring({ client, keys, queue, admission, signer: createSigner(jobKeys), log, retentionMs })
  const instance = newFence()
  let worker: Worker | undefined
  let timer: NodeJS.Timeout | undefined
  let mending: Promise<unknown> = Promise.resolve()
  let stopping: Promise<void> | undefined

  async function tick(job: Job): Promise<void> {
    const found = parseTick(job.id ?? '')
    const data = tickSchema.safeParse(job.data)
    if (found === undefined || !data.success) {
      log.error({ tick: job.id }, 'the queue of times holds what no schedule made; it is left out')
      return
    }
    const { scheduleId, at } = found
    const record = await readSchedule(client, keys, scheduleId)
    if (record === undefined) return
    await firing.placeLast(scheduleId, record).catch((err: unknown) => {
      log.warn({ err, scheduleId }, 'the last job of a schedule could not be put into the queue')
    })
    await fireLatest(record, { scheduleId, at, timing: data.data.timing })
  }

  /** After a time without workers several times may have passed: the last of them counts, and not for ever. */
  async function fireLatest(record: ScheduleRecord, first: Occasion): Promise<void> {
    const { cron, timeZone, catchUpMs } = record
    const { scheduleId } = first
    let occasion = first
    try {
      const at = latestTick(cron, timeZone, { tick: first.at, now: now(), reachMs: catchUpMs })
      const lateMs = now() - at
      const isCurrent = first.timing === record.timing && record.enabled
      if (isCurrent && (at !== first.at || lateMs > catchUpMs)) {
        await firing.note(record, first, 'missed')
        log.warn({ scheduleId, at: first.at }, 'no worker was there at the time of a schedule')
      }
      if (lateMs > catchUpMs) return
      // Times of before a change are looked up as they are: their job may have been made already.
      if (isCurrent) occasion = { ...first, at }
      const fired = await firing.fire(record, occasion)
      log.info({ scheduleId, at: occasion.at, lateMs, ...fired }, 'the time of a schedule')
    } catch (cause) {
      if (isFleetError(cause) && cause.code === 'UNAVAILABLE') throw cause
      log.error({ err: cause, scheduleId, at: occasion.at }, 'the job of a schedule could not be enqueued')
      await firing.note(record, occasion, 'failed', cause)
    }
  }

  /** One ticker of the fleet does it. */
  async function mend(): Promise<void> {
    if (client.status !== 'ready') return
    const mine = await client.set(keys.scheduleKeeper, instance, 'PX', Math.ceil(timing.mendMs * 0.9), 'NX')
    if (mine !== null) await schedulers.mend(now())
  }

  function mendRegularly(): void {
    if (stopping !== undefined) return
    mending = mend()
      .catch((err: unknown) => log.warn({ err }, 'schedules could not be compared with the queue'))
      .finally(() => {
        if (stopping === undefined) timer = setTimeout(mendRegularly, timing.mendMs)
      })
  }

  async function start(): Promise<void> {
    if (worker !== undefined) throw new FleetError('INTERNAL', 'a ticker starts once')
    const made = new Worker(TICKS_NAME, (job) => within(CALL_MS, tick(job), 'Redis did not answer'), {
      connection: client,
      prefix,
      concurrency: AT_ONCE,
      autorun: false,
      settings: TICK_SETTINGS,
      lockDuration: timing.lockMs,
      stalledInterval: timing.stalledMs,
      maxStalledCount: NEVER,
    })
    worker = made
    made.on('failed', (job, err) => log.warn({ err, tick: job?.id }, 'a time of a schedule is tried again'))
    made.on('error', (err) => log.debug({ err }, 'the queue of times reported an error'))
    await within(START_MS, made.waitUntilReady(), 'Redis did not answer')
    if (stopping !== undefined) return
    made.run().catch((err: unknown) => log.error({ err }, 'the times of schedules broke off'))
    mendRegularly()
  }

  async function finish(): Promise<void> {
    clearTimeout(timer)
    if (worker !== undefined) await closeWorker(worker, client, log)
    await within(CLOSE_MS, mending, 'the comparison did not end').catch(() => undefined)
    await within(CLOSE_MS, Promise.all([queue.close(), schedulers.close()]), 'the queues did not close').catch(
      () => undefined,
    )
  }

  return { start, stop: () => (stopping ??= finish()) }
}
