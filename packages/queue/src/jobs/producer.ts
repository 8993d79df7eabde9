import { createHash } from 'node:crypto'
import {
  canonicalJson,
  FleetError,
  invalidInput,
  isEndState,
  LIMITS,
  TENANT_PATTERN,
  type JobSpec,
  type JobView,
} from '@claude-fleet/core'
import { Queue } from 'bullmq'
import { OPEN_GATE, type AdmissionGate } from '../admission/gate.js'
import { newBatchId, newJobId } from '../ids.js'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { pipeScript, readReply, runScript } from '../redis/scripts.js'
import type { Log, Producer, RedisConnection } from '../types.js'
import { openEnvelope, sealEnvelope } from './envelope.js'
import { listJobs } from './listing.js'
import { VIEW_FIELDS, viewOf } from './record.js'
import { parseJson } from './seal.js'
import { readView } from './view.js'

const CALL_MS = 5_000
/** How often it notes that Redis serves. */
const NOTE_MS = 1_000
/** A batch is up to 1,000 jobs and 16 MiB. */
const BATCH_CALL_MS = 20_000

export interface QueueDeps {
  redis: RedisConnection
  log: Log
}

export interface ProducerDeps extends QueueDeps {
  admission?: AdmissionGate | undefined
}

export interface ProducerOptions {
  prefix: string
  /** How long ended jobs and their logs are kept, ms. */
  retentionMs: number
}

interface NewJob {
  id: string
  tenant: string
  spec: JobSpec
  idempotencyKey?: string | undefined
  retryOf?: string | undefined
  batch?: string | undefined
  customId?: string | undefined
}

/** Puts jobs into the queue and asks about them. Calls end within 5 s (a batch: 20 s), answered or not. */
export function createProducer(
  { redis, log, admission = OPEN_GATE }: ProducerDeps,
  options: ProducerOptions,
): Producer {
  const client = clientOf(redis)
  const keys = createKeys(options.prefix)
  // Shares the client, so closing it closes nothing; its errors are the client's, logged there.
  const queue = new Queue(QUEUE_NAME, { connection: client, prefix: options.prefix })
  queue.on('error', () => undefined)
  const noteTimer = setInterval(() => {
    if (client.status !== 'ready') return
    runScript(client, 'fleetNote', keys.reaper, [options.prefix, '']).catch((err: unknown) =>
      log.debug({ err }, 'the service of Redis could not be noted'),
    )
  }, NOTE_MS).unref()

  function recordArgs(job: NewJob): (string | number)[] {
    const { spec } = job
    const optional = Object.entries({ retryOf: job.retryOf, customId: job.customId, webhook: spec.webhook })
    return [
      options.prefix,
      job.id,
      job.tenant,
      spec.delayMs,
      job.idempotencyKey === undefined ? '' : sha256(job.idempotencyKey),
      job.idempotencyKey === undefined ? '' : sha256(canonicalJson(spec)),
      LIMITS.idempotencyMs,
      job.batch ?? '',
      spec.session ?? '',
      'metadata',
      JSON.stringify(spec.metadata),
      ...optional.flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
    ]
  }

  function bullJob({ id, tenant, spec }: NewJob) {
    return {
      name: 'prompt',
      data: sealEnvelope(id, tenant, spec),
      // Retries, retention and stack traces are the fleet's own affair.
      opts: { jobId: id, priority: spec.priority, delay: spec.delayMs, attempts: 1, stackTraceLimit: 0 },
    }
  }

  /** The queue has it: the janitor need not look after it. Only a hint, so nobody waits and a loss is harmless. */
  function markPlaced(ids: readonly string[]): void {
    client.zrem(keys.unplaced, ...ids).catch((err: unknown) => log.debug({ err }, 'jobs stay marked as unplaced'))
  }

  async function place(job: NewJob): Promise<void> {
    const { name, data, opts } = bullJob(job)
    await queue.add(name, data, opts)
    markPlaced([job.id])
  }

  async function view(tenant: string, id: string): Promise<JobView | undefined> {
    return viewOf(id, await client.hmget(keys.job(id), ...VIEW_FIELDS), tenant)
  }

  async function viewOfNew(tenant: string, id: string): Promise<JobView> {
    const found = await view(tenant, id)
    if (found !== undefined) return found
    throw new FleetError('CONFLICT', 'the job that this idempotency key made has ended and is no longer kept', {
      jobId: id,
    })
  }

  /** A job that names what is not there would end and tell nobody. */
  async function checkWebhooks(tenant: string, named: readonly { id: string | undefined; path: string }[]) {
    checkTenant(tenant)
    const known = new Map<string, boolean>()
    for (const { id, path } of named) {
      if (id === undefined) continue
      if (!known.has(id)) known.set(id, (await client.hget(keys.hook(id), 'tenant')) === tenant)
      if (known.get(id) !== true) throw invalidInput([{ path, message: 'is no webhook of this tenant' }])
    }
  }

  async function enqueueOne(job: NewJob) {
    checkTenant(job.tenant)
    await admission.admit(job)
    const [outcome, id = ''] = await runScript(client, 'fleetEnqueue', keys.job(job.id), recordArgs(job))
    if (outcome === 'mismatch') {
      const message = 'the idempotency key was used for another body'
      throw new FleetError('IDEMPOTENCY_MISMATCH', message, { jobId: id, retryable: false })
    }
    if (outcome === 'created') await place(job)
    // The caller that made the record may have died before it placed the job. Placing it twice does nothing.
    else if ((await client.zscore(keys.unplaced, id)) !== null) await place({ ...job, id })
    return { job: await viewOfNew(job.tenant, id), created: outcome === 'created' }
  }

  async function enqueueMany(tenant: string, items: Parameters<Producer['enqueueBatch']>[1]) {
    checkTenant(tenant)
    const batch = newBatchId()
    const jobs: NewJob[] = items.map(({ spec, customId }) => ({ id: newJobId(), tenant, spec, customId, batch }))
    for (const job of jobs) await admission.admit(job)
    const pipeline = client.pipeline()
    for (const job of jobs) pipeScript(pipeline, 'fleetEnqueue', keys.job(job.id), recordArgs(job))
    for (const [fault, reply] of (await pipeline.exec()) ?? []) {
      if (fault !== null) throw fault
      readReply('fleetEnqueue', reply)
    }
    await queue.addBulk(jobs.map(bullJob))
    const ids = jobs.map(({ id }) => id)
    markPlaced(ids)
    const reads = client.pipeline()
    for (const id of ids) reads.hmget(keys.job(id), ...VIEW_FIELDS)
    const replies = (await reads.exec()) ?? []
    const views = ids.flatMap((id, at) => viewOf(id, (replies[at]?.[1] ?? []) as (string | null)[], tenant) ?? [])
    if (views.length !== ids.length) throw new FleetError('UNAVAILABLE', 'Redis lost records of the batch')
    return { id: batch, jobs: views }
  }

  async function cancel(tenant: string, id: string, reason: string) {
    const args = [options.prefix, id, tenant, reason, options.retentionMs]
    const [outcome] = await runScript(client, 'fleetCancel', keys.job(id), args)
    if (outcome === 'missing') return undefined
    if (outcome === 'ended') return 'ended' as const
    if (outcome === 'sealed') await removeFromQueue(id)
    return 'cancelling' as const
  }

  /** The prompt moves to the record, where a retry finds it. Sealed jobs left in the queue are the janitor's. */
  async function removeFromQueue(id: string): Promise<void> {
    const data = await client.hget(keys.bullJob(id), 'data')
    if (data !== null && (await client.exists(keys.job(id))) === 1) await client.hset(keys.job(id), 'envelope', data)
    await queue.remove(id)
  }

  async function retry(tenant: string, id: string): Promise<JobView | undefined> {
    const old = await view(tenant, id)
    if (old === undefined) return undefined
    if (!isEndState(old.state)) throw new FleetError('CONFLICT', 'the job has not ended', { jobId: id })
    const kept = (await client.hget(keys.job(id), 'envelope')) ?? (await client.hget(keys.bullJob(id), 'data'))
    const opened = openEnvelope(id, parseJson(kept ?? undefined))
    if (!('envelope' in opened) || opened.envelope.tenant !== tenant) {
      throw new FleetError('CONFLICT', 'the prompt of the job is no longer kept', { jobId: id })
    }
    const made = await enqueueOne({ id: newJobId(), tenant, spec: opened.envelope.spec, retryOf: id })
    return made.job
  }

  const call = <T>(work: Promise<T>, ms = CALL_MS) => within(ms, work, 'Redis did not answer')
  return {
    enqueue: ({ tenant, spec, idempotencyKey, retryOf }) =>
      call(
        checkWebhooks(tenant, [{ id: spec.webhook, path: 'webhook' }]).then(() =>
          enqueueOne({ id: newJobId(), tenant, spec, idempotencyKey, retryOf }),
        ),
      ),
    enqueueBatch: (tenant, items) =>
      call(
        checkWebhooks(
          tenant,
          items.map(({ spec }, at) => ({ id: spec.webhook, path: `jobs.${at}.webhook` })),
        ).then(() => enqueueMany(tenant, items)),
        BATCH_CALL_MS,
      ),
    get: (tenant, id) => call(readView(client, keys, tenant, id)),
    list: (tenant, query) => call(listJobs(client, keys, tenant, query)),
    cancel: (tenant, id, reason) => call(cancel(tenant, id, reason)),
    retry: (tenant, id) => call(retry(tenant, id)),
    close() {
      clearInterval(noteTimer)
      return within(CALL_MS, queue.close(), 'the queue did not close').catch(() => undefined)
    },
  }
}

/** A tenant's name becomes part of keys; one with a separator in it could reach into another's. */
function checkTenant(tenant: string): void {
  if (!TENANT_PATTERN.test(tenant)) throw new FleetError('INVALID_REQUEST', 'the tenant is not a tenant name')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
