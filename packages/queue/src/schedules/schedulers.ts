import { SCHEDULE_ID_PATTERN, nextTick } from '@claude-fleet/core'
import { Queue, type RepeatOptions } from 'bullmq'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'
import { TICKS_NAME, type Keys } from '../keys.js'
import type { Log } from '../types.js'
import { readSchedules, type ScheduleRecord } from './record.js'

const PAGE = 100
/** Clocks of hosts tick apart: a next time that is this much after the expected one is not wrong yet. */
const SKEW_MS = 5_000
/** A time that is this long overdue though a worker is there, and of which BullMQ has no job, never comes. */
const OVERDUE_MS = 30_000
const APPLY_TRIES = 5

/** What BullMQ holds of a schedule at each of its times. `timing`: of the schedule when it was made. */
export const tickSchema = z.object({ v: z.literal(1), timing: z.number() })

/** BullMQ's own way asks the parser as it is, which counts times twice where clocks are set: see `nextTick`. */
export const TICK_SETTINGS = {
  repeatStrategy: (after: number, { pattern, tz = 'UTC' }: RepeatOptions) =>
    pattern === undefined ? undefined : nextTick(pattern, tz, after),
}

/** BullMQ's job schedulers, one for each schedule that is not paused. They follow the schedules' records. */
export interface Schedulers {
  /** Brings one in line with its schedule, also one that is paused or gone. */
  apply(id: string): Promise<void>
  /** When each comes next, ms since the epoch. */
  nextTimes(ids: readonly string[]): Promise<(number | undefined)[]>
  /** Brings all in line that are not. Resolves to how many those were. */
  mend(now: number): Promise<number>
  close(): Promise<void>
}

export function createSchedulers(client: Redis, keys: Keys, log: Log): Schedulers {
  const queue = new Queue(TICKS_NAME, { connection: client, prefix: keys.prefix, settings: TICK_SETTINGS })
  queue.on('error', () => undefined)

  async function apply(id: string): Promise<void> {
    for (let tries = 0; tries < APPLY_TRIES; tries += 1) {
      const [record] = await readSchedules(client, keys, [id])
      if (record?.enabled === true) await upsert(id, record)
      else await queue.removeJobScheduler(id)
      // Whoever changed it meanwhile may have been faster with its own.
      if ((await client.hget(keys.schedule(id), 'timing')) === (record?.timing.toString() ?? null)) return
    }
  }

  async function upsert(id: string, { cron, timeZone, timing }: ScheduleRecord): Promise<void> {
    const data: z.input<typeof tickSchema> = { v: 1, timing }
    // A try again costs nothing: what a time has made is made once. Kept ends would stand in the way of the same time.
    const opts = { attempts: 100, backoff: { type: 'fixed', delay: 2_000 }, removeOnComplete: true, removeOnFail: true }
    await queue.upsertJobScheduler(id, { pattern: cron, tz: timeZone }, { name: 'tick', data, opts })
  }

  async function nextTimes(ids: readonly string[]): Promise<(number | undefined)[]> {
    if (ids.length === 0) return []
    const scores = await client.zmscore(keys.ticks, ...ids)
    return scores.map((score) => (score === null ? undefined : Number(score)))
  }

  async function mend(now: number): Promise<number> {
    let mended = 0
    for (let from = 0; ; from += PAGE) {
      const ids = await client.zrange(keys.allSchedules, String(from), String(from + PAGE - 1))
      for (const id of ids) if (await mendOne(id, now)) mended += 1
      if (ids.length < PAGE) break
    }
    for (let from = 0; ; from += PAGE) {
      const ids = await client.zrange(keys.ticks, String(from), String(from + PAGE - 1))
      if (ids.length > 0) {
        const known = await client.zmscore(keys.allSchedules, ...ids)
        for (const [at, id] of ids.entries()) {
          if (known[at] !== null) continue
          log.warn({ scheduleId: id }, 'a scheduler of the queue has no schedule; it was removed')
          await queue.removeJobScheduler(id)
          mended += 1
        }
      }
      if (ids.length < PAGE) return mended
    }
  }

  /** A schedule that cannot be read keeps none of the others from being mended. */
  async function mendOne(id: string, now: number): Promise<boolean> {
    try {
      const [[record], [nextAt]] = await Promise.all([readSchedules(client, keys, [id]), nextTimes([id])])
      const why = await faultOf(id, record, nextAt, now)
      if (why === undefined) return false
      log.warn({ scheduleId: id, why }, 'a schedule and its scheduler in the queue were apart')
      await apply(id)
      return true
    } catch (err) {
      log.warn({ err, scheduleId: id }, 'a schedule could not be compared with the queue')
      return false
    }
  }

  /** Why the scheduler of a schedule is not what it should be. */
  async function faultOf(
    id: string,
    record: ScheduleRecord | undefined,
    nextAt: number | undefined,
    now: number,
  ): Promise<string | undefined> {
    if (record?.enabled !== true) return nextAt === undefined ? undefined : 'it is paused'
    if (nextAt === undefined) return 'there is none'
    const [pattern, tz, data] = await client.hmget(keys.tick(id), 'pattern', 'tz', 'data')
    const timing = tickSchema.safeParse(parseJson(data ?? undefined)).data?.timing
    if (pattern !== record.cron || tz !== record.timeZone || timing !== record.timing) return 'it has other times'
    // A clock that was ahead made its next time; until then nothing would come.
    const expected = nextTick(record.cron, record.timeZone, now + SKEW_MS)
    if (expected !== undefined && nextAt > expected) return 'its next time is too far away'
    if (nextAt < now - OVERDUE_MS && (await client.exists(`${keys.tick(id)}:${nextAt}`)) === 0) return 'its job is lost'
    return undefined
  }

  return { apply, nextTimes, mend, close: () => queue.close() }
}

/** Which schedule's time a job of BullMQ is. Undefined for one that no scheduler made. */
export function parseTick(jobId: string): { scheduleId: string; at: number } | undefined {
  const [, scheduleId = '', at = ''] = /^repeat:([^:]+):(\d{1,16})$/.exec(jobId) ?? []
  return SCHEDULE_ID_PATTERN.test(scheduleId) ? { scheduleId, at: Number(at) } : undefined
}
