import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { parseJson } from '../jobs/seal.js'
import { runScript } from '../redis/scripts.js'
import type { Log } from '../types.js'

/** The JSON fields that BullMQ parses as it takes a job. It never gets past one that it cannot parse. */
const JSON_FIELDS = ['data', 'opts', 'progress'] as const
/** More than a batch's body, the largest that a producer accepts. */
const DATA_BYTES_MAX = 20 * 1024 * 1024
/** Jobs of each list that are looked at before they are claimed. */
const NEXT_IN_LINE = 50

export interface QuarantineDeps {
  client: Redis
  keys: Keys
  log: Log
}

/**
 * Moves active jobs that BullMQ cannot parse to `{prefix}:quarantine:{id}`: it would hand them out for ever. Their
 * records, if any, end as `INVALID_JOB`. Resolves to how many were moved.
 */
export async function quarantineBroken(deps: QuarantineDeps, retentionMs: number): Promise<number> {
  const { client, keys } = deps
  let moved = 0
  for (const id of await client.lrange(keys.bull('active'), 0, -1)) {
    const fields = await client.hmget(keys.bullJob(id), ...JSON_FIELDS)
    if (fields.every((text) => text === null || text === '' || parseJson(text) !== undefined)) continue
    await quarantine(deps, id, { fault: 'the job in the queue is not JSON', forged: false }, retentionMs)
    moved += 1
  }
  return moved
}

/** As `quarantineBroken`, for jobs that are next in line and whose data are larger than any producer's: not parsed. */
export async function quarantineOversized(deps: QuarantineDeps, retentionMs: number): Promise<number> {
  const { client, keys } = deps
  const ids = await runScript(client, 'fleetScreen', keys.bull('wait'), [keys.prefix, '', DATA_BYTES_MAX, NEXT_IN_LINE])
  const fault = `the data of the job exceed ${DATA_BYTES_MAX} bytes`
  for (const id of ids) await quarantine(deps, id, { fault, forged: false }, retentionMs)
  return ids.length
}

/**
 * Moves one job, whatever BullMQ does with it now, to `{prefix}:quarantine:{id}` for the retention time, and ends its
 * record, if there is one, as `INVALID_JOB`. Counted; `forged`: apart as well.
 */
export async function quarantine(
  { client, keys, log }: QuarantineDeps,
  id: string,
  { fault, forged }: { fault: string; forged: boolean },
  retentionMs: number,
): Promise<'quarantined'> {
  log.error({ jobId: id, fault, forged }, 'a job of the queue cannot be run; it was put into quarantine')
  await runScript(client, 'fleetQuarantine', keys.job(id), [keys.prefix, id, retentionMs, forged ? '1' : '0'])
  const args = [keys.prefix, id, 'INVALID_JOB', fault, retentionMs, '{}', '0']
  await runScript(client, 'fleetAbandon', keys.job(id), args)
  return 'quarantined'
}
