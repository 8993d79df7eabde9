import type { JobSpec } from '@claude-fleet/core'
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import type { Log } from '../types.js'
import { confirmHeld, HELD_MS } from '../admission/holding.js'
import { sealEnvelope } from './envelope.js'
import type { Signer } from './signature.js'

/** A job whose record is to be made, or is made and not yet in the queue. */
export interface NewJob {
  id: string
  tenant: string
  spec: JobSpec
  idempotencyKey?: string | undefined
  retryOf?: string | undefined
  batch?: string | undefined
  customId?: string | undefined
  /** It may not start yet: its gate lets it go. */
  held?: boolean | undefined
}

/** Puts jobs that have a record into the queue. Doing it twice does nothing. */
export interface Placement {
  place(job: NewJob): Promise<void>
  placeAll(jobs: readonly NewJob[]): Promise<void>
}

export function createPlacement({
  client,
  keys,
  queue,
  signer,
  log,
}: {
  client: Redis
  keys: Keys
  queue: Queue
  signer: Signer
  log: Log
}): Placement {
  /** The queue has it: the janitor need not look after it. Only a hint, so nobody waits and a loss is harmless. */
  function markPlaced(ids: readonly string[]): void {
    client.zrem(keys.unplaced, ...ids).catch((err: unknown) => log.debug({ err }, 'jobs stay marked as unplaced'))
  }

  return {
    async place(job) {
      const { name, data, opts } = bullJob(signer, job)
      await queue.add(name, data, opts)
      if (job.held === true) await confirmHeld(client, keys, [job.id])
      markPlaced([job.id])
    },
    async placeAll(jobs) {
      await queue.addBulk(jobs.map((job) => bullJob(signer, job)))
      const held = jobs.filter((job) => job.held === true).map(({ id }) => id)
      if (held.length > 0) await confirmHeld(client, keys, held)
      markPlaced(jobs.map(({ id }) => id))
    },
  }
}

/** What of a spec goes into the record, in pairs. */
export function recordFields(spec: JobSpec): string[] {
  return [
    'metadata',
    JSON.stringify(spec.metadata),
    'credential',
    spec.credential,
    ...(spec.priority === 0 ? [] : ['priority', String(spec.priority)]),
    ...(spec.webhook === undefined ? [] : ['webhook', spec.webhook]),
  ]
}

function bullJob(signer: Signer, { id, tenant, spec, held }: NewJob) {
  const delay = held === true ? HELD_MS : spec.delayMs
  return {
    name: 'prompt',
    data: sealEnvelope(signer, id, tenant, spec),
    // Retries, retention and stack traces are the fleet's own affair.
    opts: { jobId: id, priority: spec.priority, delay, attempts: 1, stackTraceLimit: 0 },
  }
}
