import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import type { Log } from '../types.js'

const BATCH = 500
/** Whoever sealed a job is given this long to tell BullMQ. */
const SETTLING_MS = 10_000
const HELD_STATES = ['waiting', 'delayed', 'prioritized', 'paused']

/**
 * Takes jobs out of the queue that ended between `from` and `now` and that BullMQ still holds to be run: a producer
 * died between the seal and the removal. A sealed job in BullMQ's active list is the next claimer's to repair. The
 * prompt moves to the record, where a retry finds it.
 */
export async function repairSealed(
  { client, keys, queue, log }: { client: Redis; keys: Keys; queue: Queue; log: Log },
  from: number,
  now: number,
): Promise<{ repaired: number; comparedTo: number }> {
  const scored = await client.zrangebyscore(keys.ended, from, now - SETTLING_MS, 'WITHSCORES', 'LIMIT', 0, BATCH)
  let repaired = 0
  let comparedTo = from
  for (let at = 0; at + 1 < scored.length; at += 2) {
    const [id = ''] = (scored[at] ?? '').split('|')
    comparedTo = Number(scored[at + 1])
    const [data, finishedOn] = await client.hmget(keys.bullJob(id), 'data', 'finishedOn')
    if (data == null || finishedOn != null) continue
    if (!HELD_STATES.includes(await queue.getJobState(id))) continue
    await runScript(client, 'fleetKeepPrompt', keys.job(id), [keys.prefix, id])
    await queue.remove(id)
    log.warn({ jobId: id }, 'an ended job was still in the queue; it was taken out')
    repaired += 1
  }
  // More jobs of one millisecond than a pass takes: the rest is repaired when a worker claims them.
  const stuck = comparedTo === from && scored.length === 2 * BATCH
  return { repaired, comparedTo: stuck ? from + 1 : comparedTo }
}
