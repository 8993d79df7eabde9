import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'

interface Stores {
  client: Redis
  keys: Keys
  queue: Queue
}

/** Asks for a job's end. `ended`: it had ended already. Undefined: the tenant has no such job. */
export async function cancelJob(
  stores: Stores,
  { tenant, id, reason, retentionMs }: { tenant: string; id: string; reason: string; retentionMs: number },
): Promise<'cancelling' | 'ended' | undefined> {
  const { client, keys } = stores
  const [outcome] = await runScript(client, 'fleetCancel', keys.job(id), [keys.prefix, id, tenant, reason, retentionMs])
  if (outcome === 'missing') return undefined
  if (outcome === 'ended') return 'ended'
  if (outcome === 'sealed') await removeFromQueue(stores, id)
  return 'cancelling'
}

/** The prompt moves to the record, where a retry finds it. Sealed jobs left in the queue are the janitor's. */
export async function removeFromQueue({ client, keys, queue }: Stores, id: string): Promise<void> {
  await runScript(client, 'fleetKeepPrompt', keys.job(id), [keys.prefix, id])
  await queue.remove(id)
}
