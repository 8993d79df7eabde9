import { Queue } from 'bullmq'
import type { QueueDeps } from '../jobs/producer.js'
import { recheckHeld } from '../admission/holding.js'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import { removeExpiredSessions } from '../sessions/closing.js'
import type { Janitor } from '../types.js'
import { removeExpired } from './expired.js'
import { repairSealed } from './sealed.js'

const DEFAULT_INTERVAL_MS = 30_000
const CLOSE_MS = 3_000
/** A record this old without a job in the queue has lost its producer. */
const UNPLACED_MS = 60_000
const BATCH = 200
const RIPEN_MAX = 5_000

export interface JanitorOptions {
  prefix: string
  /** How long ended jobs and their logs are kept, ms. */
  retentionMs: number
  /** Time between two passes, ms. Default 30,000. */
  intervalMs?: number | undefined
}

/** Removes ended jobs after their retention and mends what a crash left between two writes. In bounded batches. */
export function createJanitor({ redis, log }: QueueDeps, options: JanitorOptions): Janitor {
  const { prefix, retentionMs } = options
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const queue = new Queue(QUEUE_NAME, { connection: client, prefix })
  queue.on('error', () => undefined)
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let sweeping: Promise<{ removed: number; repaired: number }> | undefined
  /** Ended jobs up to this moment were compared with the queue. */
  let comparedTo = 0
  let heldFrom = 0

  async function pass(): Promise<{ removed: number; repaired: number }> {
    const [seconds] = await client.time()
    const now = Number(seconds) * 1_000
    await runScript(client, 'fleetRipen', keys.due, [prefix, '', RIPEN_MAX])
    const held = await recheckHeld(client, keys, heldFrom)
    heldFrom = held.next
    if (held.freed > 0) log.warn({ freed: held.freed }, 'jobs were held back though nothing was before them')
    const jobs = await removeExpired({ client, keys, queue }, now - retentionMs)
    const removed = jobs + (await removeExpiredSessions({ client, keys, queue, log }, now, retentionMs))
    const sealed = await repairSealed({ client, keys, queue, log }, comparedTo, now)
    comparedTo = sealed.comparedTo
    const abandoned = await abandonUnplaced(now)
    if ((await client.exists(keys.bull('repeat'))) === 1) {
      log.error({ key: keys.bull('repeat') }, 'somebody wrote a schedule into the queue; the fleet makes none')
    }
    return { removed, repaired: sealed.repaired + abandoned + held.freed }
  }

  /** Their producer wrote the record and died before the job was in the queue. */
  async function abandonUnplaced(now: number): Promise<number> {
    let abandoned = 0
    for (const id of await client.zrangebyscore(keys.unplaced, '-inf', now - UNPLACED_MS, 'LIMIT', 0, BATCH)) {
      const message = 'the job never reached the queue; enqueue it again'
      const args = [prefix, id, 'INTERNAL', message, retentionMs, '{}', '1']
      const [word] = await runScript(client, 'fleetAbandon', keys.job(id), args)
      if (word === 'sealed') abandoned += 1
    }
    return abandoned
  }

  /** One pass at a time; a call during one gets that one's result. */
  function sweep(): Promise<{ removed: number; repaired: number }> {
    sweeping ??= pass().finally(() => (sweeping = undefined))
    return sweeping
  }

  function schedule(): void {
    if (stopped) return
    timer = setTimeout(() => {
      sweep()
        .then(({ removed, repaired }) => {
          if (removed + repaired > 0) log.info({ removed, repaired }, 'the janitor swept')
        })
        .catch((err: unknown) => log.warn({ err }, 'the janitor could not sweep'))
        .finally(schedule)
    }, options.intervalMs ?? DEFAULT_INTERVAL_MS)
  }

  return {
    start() {
      if (timer === undefined) schedule()
    },
    sweep,
    async stop() {
      stopped = true
      clearTimeout(timer)
      // A pass that Redis no longer answers ends with the connection.
      await within(CLOSE_MS, Promise.resolve(sweeping), 'the pass did not end').catch(() => undefined)
      await within(CLOSE_MS, queue.close(), 'the queue did not close').catch(() => undefined)
    },
  }
}
