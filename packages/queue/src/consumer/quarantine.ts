import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { parseJson } from '../jobs/seal.js'
import { runScript } from '../redis/scripts.js'
import type { Log } from '../types.js'

/** The JSON fields that BullMQ parses as it takes a job. It never gets past one that it cannot parse. */
const JSON_FIELDS = ['data', 'opts', 'progress'] as const

/**
 * Moves active jobs that BullMQ cannot parse to `{prefix}:quarantine:{id}`: it would hand them out for ever. Their
 * records, if any, end as `INVALID_JOB`. Resolves to how many were moved.
 */
export async function quarantineBroken(
  { client, keys, log }: { client: Redis; keys: Keys; log: Log },
  retentionMs: number,
): Promise<number> {
  let moved = 0
  for (const id of await client.lrange(keys.bull('active'), 0, -1)) {
    const fields = await client.hmget(keys.bullJob(id), ...JSON_FIELDS)
    if (fields.every((text) => text === null || text === '' || parseJson(text) !== undefined)) continue
    log.error({ jobId: id }, 'a job of the queue is not JSON; it was put into quarantine')
    const quarantine = `${keys.prefix}:quarantine:${id}`
    await client
      .multi()
      .lrem(keys.bull('active'), 0, id)
      .lrem(keys.bull('wait'), 0, id)
      .zrem(keys.bull('prioritized'), id)
      .zrem(keys.bull('delayed'), id)
      .srem(keys.bull('stalled'), id)
      .del(`${keys.bullJob(id)}:lock`)
      .rename(keys.bullJob(id), quarantine)
      .pexpire(quarantine, retentionMs)
      .exec()
    await runScript(client, 'fleetAbandon', keys.job(id), [
      keys.prefix,
      id,
      'INVALID_JOB',
      'the job in the queue is not JSON',
      retentionMs,
      '{}',
      '0',
    ])
    moved += 1
  }
  return moved
}
