import type { Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Log } from '../types.js'
import { within } from './deadline.js'

const CLOSE_MS = 3_000

/** BullMQ's own close never returns when Redis is gone, so a clock ends it. */
export async function closeWorker(worker: Worker, client: Redis, log: Log): Promise<void> {
  try {
    await within(CLOSE_MS, worker.close(client.status !== 'ready'), 'the queue did not close')
  } catch (err) {
    log.warn({ err }, 'the queue did not close in time; its connections are cut')
    await within(CLOSE_MS, worker.getBackend().close(true), 'the queue did not close').catch(() => undefined)
  }
}
