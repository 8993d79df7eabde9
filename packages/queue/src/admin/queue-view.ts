import { Queue } from 'bullmq'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import type { RedisConnection } from '../types.js'

/** BullMQ's own view of the queue, for Bull Board. Nothing may be written through it: BullMQ only follows the records. */
export interface QueueView {
  readonly queue: Queue
  close(): Promise<void>
}

/** Opens it on the connection of `redis`, which stays the caller's. */
export function createQueueView(redis: RedisConnection, { prefix }: { prefix: string }): QueueView {
  const { prefix: bullPrefix } = createKeys(prefix)
  const queue = new Queue(QUEUE_NAME, { connection: clientOf(redis), prefix: bullPrefix, skipVersionCheck: true })
  queue.on('error', () => undefined)
  return { queue, close: () => queue.close() }
}
