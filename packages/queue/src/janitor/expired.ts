import { END_STATES } from '@claude-fleet/core'
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'

const BATCH = 200
const BATCHES = 25

/**
 * Removes all that is left of jobs that ended at or before `before`: record, log, index entries and BullMQ's job; and
 * what else BullMQ holds as finished for that long. The index entry that finds a job goes last, so a crash in between
 * leaves the rest to be found again. Resolves to how many jobs were removed.
 */
export async function removeExpired(
  { client, keys, queue }: { client: Redis; keys: Keys; queue: Queue },
  before: number,
): Promise<number> {
  let removed = 0
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const members = await client.zrangebyscore(keys.ended, '-inf', before, 'LIMIT', 0, BATCH)
    for (const member of members) {
      const [id = '', tenant = '', batchId = '', session = ''] = member.split('|')
      await queue.remove(id)
      const pipeline = client.pipeline().del(keys.job(id), keys.log(id), keys.attempts(id)).zrem(keys.jobs(tenant), id)
      for (const state of END_STATES) pipeline.zrem(keys.state(tenant, state), id)
      if (batchId !== '') pipeline.zrem(keys.batch(tenant, batchId), id)
      if (session !== '') pipeline.zrem(keys.sessionJobs(tenant, session), id)
      pipeline.zrem(keys.ended, member)
      for (const [fault] of (await pipeline.exec()) ?? []) if (fault !== null) throw fault
      removed += 1
    }
    if (members.length < BATCH) break
  }
  const graceMs = Math.max(0, Date.now() - before)
  await queue.clean(graceMs, BATCH, 'completed')
  await queue.clean(graceMs, BATCH, 'failed')
  return removed
}
