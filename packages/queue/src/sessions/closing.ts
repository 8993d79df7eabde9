import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { removeFromQueue } from '../jobs/cancellation.js'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import type { Log } from '../types.js'

interface Stores {
  client: Redis
  keys: Keys
  queue: Queue
  log: Log
}

const REASON = 'the session was closed'

/**
 * Closes a session and ends its jobs; one that was closed before has what is left of them ended. False: the tenant has no such
 * session.
 */
export async function closeSession(
  { log, ...stores }: Stores,
  { tenant, id, retentionMs }: { tenant: string; id: string; retentionMs: number },
): Promise<boolean> {
  const { client, keys } = stores
  for (;;) {
    const args = [keys.prefix, id, tenant, retentionMs, REASON]
    const [word, ...ended] = await runScript(client, 'fleetSessionClose', keys.session(id), args)
    if (word === 'missing') return false
    for (const jobId of ended) {
      await removeFromQueue(stores, jobId).catch((err: unknown) =>
        log.warn({ err, jobId }, 'a job of a closed session is still in the queue; the janitor takes it out'),
      )
    }
    if (word !== 'more') return true
  }
}

const BATCH = 200

/** Removes sessions whose time came at or before `now`, and ends what is left of closed ones. Resolves to how many are gone. */
export async function removeExpiredSessions(stores: Stores, now: number, retentionMs: number): Promise<number> {
  const { client, keys } = stores
  let removed = 0
  for (const id of await client.zrangebyscore(keys.sessionsExpiry, '-inf', now, 'LIMIT', 0, BATCH)) {
    const args = [keys.prefix, id]
    const [word, tenant = ''] = await runScript(client, 'fleetSessionRemove', keys.session(id), args)
    if (word === 'gone') removed += 1
    else if (word === 'closing') await closeSession(stores, { tenant, id, retentionMs })
  }
  return removed
}
