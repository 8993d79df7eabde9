import { DEFAULTS, type ScheduleSpec } from '@claude-fleet/core'
import { Queue } from 'bullmq'
import { connectRedis } from '../redis/connect.js'
import { createSchedules } from '../schedules/schedules.js'
import { createTicker, type TickerTiming } from '../schedules/ticker.js'
import type { Log } from '../types.js'
import { openFleet, QUIET, RETENTION_MS, specOf, TENANT } from './fleet.js'

export const SHORT_TICKS: TickerTiming = { lockMs: 800, stalledMs: 200, mendMs: 60_000 }
/** So far away that it comes only when a test makes it. */
export const YEARLY = '0 0 1 1 *'
/** More often than callers may ask for. */
export const EVERY_SECOND = '* * * * * *'

/** A fleet with schedules, and tickers when asked for. */
export async function openScheduledFleet(url: string, options: { prefix?: string } = {}) {
  const fleet = await openFleet(url, options)
  const { prefix, client, keys } = fleet
  const deps = { redis: fleet.redis, log: QUIET }
  const schedules = createSchedules(deps, { prefix, retentionMs: RETENTION_MS })
  const ticks = new Queue('ticks', { connection: client, prefix })
  ticks.on('error', () => undefined)
  const closers: (() => Promise<void>)[] = []

  return {
    ...fleet,
    schedules,
    ticks,
    create: async (spec: Partial<ScheduleSpec> = {}, tenant = TENANT) =>
      (await schedules.create(tenant, scheduleOf(spec))).id,
    history: async (id: string) => (await schedules.history(TENANT, id)) ?? [],
    async startTicker({ now = Date.now, log = QUIET, timing = SHORT_TICKS }: TickerOptions = {}) {
      const redis = await connectRedis({ url, name: 'ticker', mode: 'worker' })
      const ticker = createTicker({ redis, log }, { prefix, retentionMs: RETENTION_MS }, { timing, now })
      closers.push(async () => {
        await ticker.stop()
        await redis.close()
      })
      await ticker.start()
      return ticker
    },
    /** Makes the next time of a schedule come now. Resolves to that time. */
    async comeNow(id: string): Promise<number> {
      const at = Number(await client.zscore(keys.ticks, id))
      const job = await ticks.getJob(`repeat:${id}:${at}`)
      await job?.promote()
      return at
    },
    async close() {
      await Promise.all(closers.map((close) => close()))
      await schedules.close()
      await ticks.close()
      await fleet.close()
    },
  }
}
export type ScheduledFleet = Awaited<ReturnType<typeof openScheduledFleet>>

interface TickerOptions {
  now?: () => number
  log?: Log
  timing?: TickerTiming
}

export function scheduleOf(spec: Partial<ScheduleSpec> = {}): ScheduleSpec {
  return {
    cron: YEARLY,
    timeZone: DEFAULTS.timeZone,
    overlap: DEFAULTS.overlap,
    catchUpMs: DEFAULTS.catchUpMs,
    enabled: true,
    job: specOf(),
    metadata: {},
    ...spec,
  }
}
