import { createHash } from 'node:crypto'
import { canonicalJson, FleetError, isEndState, LIMITS, TENANT_PATTERN, type JobView } from '@claude-fleet/core'
import { Queue } from 'bullmq'
import { balanceShares, refuseWithoutRoom } from '../admission/shares.js'
import { OPEN_GATE, type AdmissionGate } from '../admission/gate.js'
import { newBatchId, newJobId } from '../ids.js'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { pipeScript, readReply, runScript } from '../redis/scripts.js'
import { createTide } from '../redis/tide.js'
import type { BatchEnqueueRequest, Log, Producer, RedisConnection } from '../types.js'
import { completeSpec, completeSpecs, isSessionFault, sessionRefusal } from '../sessions/conversation.js'
import { cancelJob } from './cancellation.js'
import { openEnvelope } from './envelope.js'
import { listJobs } from './listing.js'
import { checkNamedWebhooks } from './named-webhooks.js'
import { createPlacement, recordFields, type NewJob } from './placement.js'
import { VIEW_FIELDS, viewOf } from './record.js'
import { parseJson } from './seal.js'
import { createSigner } from './signature.js'
import { readView } from './view.js'

const CALL_MS = 5_000
/** How often it notes that Redis serves. */
const NOTE_MS = 1_000
/** For each job of a batch, which has up to 1,000 and 16 MiB. */
const BATCH_JOB_MS = 15

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
  /** 32 bytes each; the first signs jobs, all verify. Default: none, and jobs are not signed. */
  jobKeys?: readonly Uint8Array[] | undefined
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
  const signer = createSigner(options.jobKeys)
  const tide = createTide({ client, keys, log })
  const placement = createPlacement({ client, keys, queue, signer, log })
  const noteTimer = setInterval(() => {
    if (client.status !== 'ready') return
    runScript(client, 'fleetNote', keys.reaper, [options.prefix, '']).catch((err: unknown) =>
      log.debug({ err }, 'the service of Redis could not be noted'),
    )
  }, NOTE_MS).unref()

  function recordArgs(job: NewJob): (string | number)[] {
    const { spec } = job
    const optional = Object.entries({ retryOf: job.retryOf, customId: job.customId })
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
      ...recordFields(spec),
      ...optional.flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
    ]
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

  /** `key`: of idempotency. What an earlier call with it made is told, whatever has become of its webhook since. */
  async function checkWebhooks(
    tenant: string,
    key: string | undefined,
    named: Parameters<typeof checkNamedWebhooks>[2],
  ) {
    checkTenant(tenant)
    if (named.every(({ id }) => id === undefined)) return
    if (await isKnown(tenant, key)) return
    await checkNamedWebhooks({ client, keys }, tenant, named)
  }

  /** Was the idempotency key used before? */
  async function isKnown(tenant: string, key: string | undefined): Promise<boolean> {
    return key !== undefined && (await client.exists(keys.idempotency(tenant, sha256(key)))) === 1
  }

  async function enqueueOne(job: NewJob) {
    checkTenant(job.tenant)
    const isRepeated = await isKnown(job.tenant, job.idempotencyKey)
    // What an earlier call has made is told, whatever has become of its session since.
    const spec = await completeSpec({ client, keys, signer }, job.tenant, job.spec).catch((error: unknown) => {
      if (isRepeated) return undefined
      throw error
    })
    await admission.admit({ ...job, spec: spec ?? job.spec })
    const reply = await runScript(client, 'fleetEnqueue', keys.job(job.id), recordArgs(job))
    const [outcome, id = '', count, held, over] = reply
    refuseWithoutRoom(reply)
    if (outcome === 'mismatch') throw mismatch(id)
    if (isSessionFault(outcome)) throw sessionRefusal(outcome, job.spec.session ?? '', 'session')
    if (count !== undefined) tide.acked(Number(count), id)
    // The caller that made the record may have died before it placed the job. Placing it twice does nothing.
    const isToBePlaced = outcome === 'created' || (await client.zscore(keys.unplaced, id)) !== null
    if (isToBePlaced && spec !== undefined) {
      const isHeld = outcome === 'created' ? held === 'held' : await isHeldNow(id)
      await placement.place({ ...job, spec, id, held: isHeld })
    }
    if (over === 'over') await balanceShares(client, keys)
    return { job: await viewOfNew(job.tenant, id), created: outcome === 'created' }
  }

  /** Asked of a job whose record another call has made. */
  const isHeldNow = async (id: string) => (await client.hexists(keys.job(id), 'hold')) === 1

  async function enqueueMany({ tenant, items, idempotencyKey }: BatchEnqueueRequest) {
    checkTenant(tenant)
    const named = items.map(({ spec }, at) => ({ spec, path: `jobs.${at}.session` }))
    const isRepeated = await isKnown(tenant, idempotencyKey)
    const specs = await completeSpecs({ client, keys, signer }, tenant, named).catch((error: unknown) => {
      if (isRepeated) return undefined
      throw error
    })
    const newId = newBatchId()
    if (!isRepeated) refuseWithoutRoom(await reserve(tenant, newId, items.length))
    const { id: batch, created } = await batchId(newId, tenant, items, idempotencyKey)
    if (batch !== newId) await client.hdel(keys.places(tenant), newId)
    const jobs = items.map(({ spec, customId }, at): NewJob => {
      // Every job has a key of its own, so that a repeated call makes those alone that an earlier one did not come to.
      const own = idempotencyKey === undefined ? undefined : `${batch}\0${at}`
      return { id: newJobId(), tenant, spec, customId, batch, idempotencyKey: own }
    })
    for (const [at, job] of jobs.entries()) await admission.admit({ ...job, spec: specs?.[at] ?? job.spec })
    const records = client.pipeline()
    for (const job of jobs) pipeScript(records, 'fleetEnqueue', keys.job(job.id), recordArgs(job))
    const replies = (await records.exec()) ?? []
    const made = jobs.map((job, at) => {
      const [fault, reply] = replies[at] ?? [new FleetError('UNAVAILABLE', 'Redis answered less than it was asked')]
      if (fault !== null) throw fault
      const [outcome, id = job.id, count, held, over] = readReply('fleetEnqueue', reply)
      // It was closed since it was looked at. What is recorded of the batch is not placed, and so never runs.
      if (isSessionFault(outcome)) throw sessionRefusal(outcome, job.spec.session ?? '', `jobs.${at}.session`)
      if (count !== undefined) tide.acked(Number(count), id)
      return {
        ...job,
        id,
        isNew: outcome === 'created',
        spec: specs?.[at] ?? job.spec,
        held: held === 'held',
        over: over === 'over',
      }
    })
    if (specs !== undefined) await placeMany(made)
    if (made.some(({ over }) => over)) await balanceShares(client, keys)
    return { id: batch, items: made.map(({ id, customId }) => ({ id, customId })), created }
  }

  /** All or none: its jobs take the places one by one. */
  const reserve = (tenant: string, batch: string, jobs: number) =>
    runScript(client, 'fleetReserve', keys.limits, [options.prefix, batch, tenant, jobs])

  /** The id of a batch, the same for each call with its key. */
  async function batchId(id: string, tenant: string, items: BatchEnqueueRequest['items'], key: string | undefined) {
    if (key === undefined) return { id, created: true }
    const body = sha256(
      canonicalJson({ batch: items.map(({ spec, customId }) => ({ spec, customId: customId ?? null })) }),
    )
    const args = [options.prefix, id, body, LIMITS.idempotencyMs]
    const [outcome, known = id] = await runScript(client, 'fleetKeyBatch', keys.idempotency(tenant, sha256(key)), args)
    if (outcome === 'mismatch') throw mismatch(undefined)
    return { id: known, created: outcome === 'created' }
  }

  /** Puts into the queue what is new, and what an earlier call recorded and did not live to place. */
  async function placeMany(jobs: readonly (NewJob & { isNew: boolean })[]): Promise<void> {
    const known = jobs.filter(({ isNew }) => !isNew).map(({ id }) => id)
    const marks = known.length === 0 ? [] : await client.zmscore(keys.unplaced, known)
    const lost = new Set(known.filter((_, at) => marks[at] !== null))
    const missing = jobs.filter(({ id, isNew }) => isNew || lost.has(id))
    if (missing.length === 0) return
    const told = missing.map(async (job) => (job.isNew ? job : { ...job, held: await isHeldNow(job.id) }))
    await placement.placeAll(await Promise.all(told))
  }

  async function retry(tenant: string, id: string): Promise<JobView | undefined> {
    const old = await view(tenant, id)
    if (old === undefined) return undefined
    if (!isEndState(old.state)) throw new FleetError('CONFLICT', 'the job has not ended', { jobId: id })
    const kept = (await client.hget(keys.job(id), 'envelope')) ?? (await client.hget(keys.bullJob(id), 'data'))
    const opened = openEnvelope(signer, id, parseJson(kept ?? undefined))
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
        checkWebhooks(tenant, idempotencyKey, [{ id: spec.webhook, path: 'webhook' }]).then(() =>
          enqueueOne({ id: newJobId(), tenant, spec, idempotencyKey, retryOf }),
        ),
      ),
    enqueueBatch: (request) =>
      call(
        checkWebhooks(
          request.tenant,
          request.idempotencyKey,
          request.items.map(({ spec }, at) => ({ id: spec.webhook, path: `jobs.${at}.webhook` })),
        ).then(() => enqueueMany(request)),
        CALL_MS + request.items.length * BATCH_JOB_MS,
      ),
    get: (tenant, id) => call(readView(client, keys, tenant, id)),
    list: (tenant, query) => call(listJobs(client, keys, tenant, query)),
    cancel: (tenant, id, reason) =>
      call(cancelJob({ client, keys, queue }, { tenant, id, reason, retentionMs: options.retentionMs })),
    retry: (tenant, id) => call(retry(tenant, id)),
    close() {
      clearInterval(noteTimer)
      tide.close()
      return within(CALL_MS, queue.close(), 'the queue did not close').catch(() => undefined)
    },
  }
}

/** A tenant's name becomes part of keys; one with a separator in it could reach into another's. */
function checkTenant(tenant: string): void {
  if (!TENANT_PATTERN.test(tenant)) throw new FleetError('INVALID_REQUEST', 'the tenant is not a tenant name')
}

function mismatch(jobId: string | undefined): FleetError {
  const message = 'the idempotency key was used for another body'
  return new FleetError('IDEMPOTENCY_MISMATCH', message, { jobId, retryable: false })
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
