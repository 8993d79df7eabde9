import {
  FleetError,
  LIMITS,
  scheduleRunSchema,
  TENANT_PATTERN,
  type JobSpec,
  type JobView,
  type ScheduleListQuery,
  type SchedulePage,
  type SchedulePatch,
  type ScheduleRun,
  type ScheduleSpec,
  type ScheduleView,
} from '@claude-fleet/core'
import { Queue } from 'bullmq'
import { OPEN_GATE } from '../admission/gate.js'
import { newScheduleId } from '../ids.js'
import type { ProducerDeps, ProducerOptions } from '../jobs/producer.js'
import { checkNamedWebhooks } from '../jobs/named-webhooks.js'
import { parseJson } from '../jobs/seal.js'
import { createSigner } from '../jobs/signature.js'
import { readView } from '../jobs/view.js'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import { completeSpec } from '../sessions/conversation.js'
import { createFiring } from './firing.js'
import { fieldsOf, readSchedule, readSchedules, scheduleView } from './record.js'
import { createSchedulers } from './schedulers.js'

const CALL_MS = 5_000
const UPDATE_TRIES = 5

/**
 * The schedules of tenants. Every call ends within 5 s or rejects with FleetError `UNAVAILABLE`; a schedule of another
 * tenant does not exist: undefined, or false.
 */
export interface Schedules {
  /** Rejects with `CONFLICT` when the tenant has as many as it may. */
  create(tenant: string, spec: ScheduleSpec): Promise<ScheduleView>
  get(tenant: string, id: string): Promise<ScheduleView | undefined>
  /** Newest first, without their jobs. */
  list(tenant: string, query: ScheduleListQuery): Promise<SchedulePage>
  update(tenant: string, id: string, patch: SchedulePatch): Promise<ScheduleView | undefined>
  /** Its jobs stay, also one that runs. */
  remove(tenant: string, id: string): Promise<boolean>
  /** What became of its last times, newest first. */
  history(tenant: string, id: string): Promise<ScheduleRun[] | undefined>
  /**
   * Enqueues its job now, also while it is paused. Rejects with `CONFLICT` when its overlap policy is `skip` and its job
   * has not ended.
   */
  run(tenant: string, id: string): Promise<JobView | undefined>
  close(): Promise<void>
}

/** Writes schedules and asks about them. A ticker, in a worker, makes their jobs. */
export function createSchedules(
  { redis, log, admission = OPEN_GATE }: ProducerDeps,
  options: ProducerOptions,
): Schedules {
  const { prefix, retentionMs } = options
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const queue = new Queue(QUEUE_NAME, { connection: client, prefix })
  queue.on('error', () => undefined)
  const schedulers = createSchedulers(client, keys, log)
  const signer = createSigner(options.jobKeys)
  const firing = createFiring({ client, keys, queue, admission, signer, log, retentionMs })

  async function create(tenant: string, spec: ScheduleSpec): Promise<ScheduleView> {
    if (!TENANT_PATTERN.test(tenant)) throw new FleetError('INVALID_REQUEST', 'the tenant is not a tenant name')
    await check(tenant, spec.job)
    const id = newScheduleId()
    const args = [prefix, id, tenant, LIMITS.schedules, ...signedFields(tenant, id, spec)]
    const [word] = await runScript(client, 'fleetScheduleCreate', keys.schedule(id), args)
    if (word === 'full') {
      const message = `the tenant has ${LIMITS.schedules} schedules, as many as it may; delete one first`
      throw new FleetError('CONFLICT', message, { details: { limit: LIMITS.schedules } })
    }
    await follow(id)
    return viewOfKnown(tenant, id)
  }

  function signedFields(tenant: string, id: string, spec: SchedulePatch | ScheduleSpec): string[] {
    const mac = spec.job === undefined ? undefined : signer.sign({ kind: 'schedule', id, tenant, spec: spec.job })
    return fieldsOf(spec, mac)
  }

  /** What is asked of a job as well when it is enqueued, and again at each time. */
  async function check(tenant: string, job: JobSpec): Promise<void> {
    await checkNamedWebhooks({ client, keys }, tenant, [{ id: job.webhook, path: 'job.webhook' }])
    await admission.admit({ tenant, spec: await completeSpec({ client, keys, signer }, tenant, job, 'job.session') })
  }

  /** The record counts. Where the queue does not follow now, the ticker sees to it within a minute. */
  async function follow(id: string): Promise<void> {
    await schedulers.apply(id).catch((err: unknown) => {
      log.warn({ err, scheduleId: id }, 'the queue did not take a schedule; a worker will see to it')
    })
  }

  async function get(tenant: string, id: string): Promise<ScheduleView | undefined> {
    const [record, [nextAt]] = await Promise.all([readSchedule(client, keys, id, tenant), schedulers.nextTimes([id])])
    return record === undefined ? undefined : scheduleView(id, record, nextAt)
  }

  async function viewOfKnown(tenant: string, id: string): Promise<ScheduleView> {
    const view = await get(tenant, id)
    if (view === undefined) throw new FleetError('CONFLICT', 'the schedule was deleted meanwhile')
    return view
  }

  async function list(tenant: string, { limit, cursor }: ScheduleListQuery): Promise<SchedulePage> {
    // Few by their limit, and ids alone.
    const flat = await client.zrevrange(keys.schedules(tenant), 0, -1, 'WITHSCORES')
    const all = flat.flatMap((id, at) => (at % 2 === 0 ? [{ id, createdAt: Number(flat[at + 1]) }] : []))
    const from = cursor === undefined ? 0 : all.findIndex((entry) => isAfter(entry, cursor))
    const page = from < 0 ? [] : all.slice(from, from + limit)
    const ids = page.map(({ id }) => id)
    const [records, times] = await Promise.all([readSchedules(client, keys, ids, tenant), schedulers.nextTimes(ids)])
    const items = ids.flatMap((id, at) => {
      const record = records[at]
      return record === undefined ? [] : [scheduleView(id, record, times[at])]
    })
    const last = page.at(-1)
    const more = last !== undefined && from + limit < all.length
    return more ? { items, nextCursor: `${last.createdAt}-${last.id}` } : { items }
  }

  async function update(tenant: string, id: string, patch: SchedulePatch): Promise<ScheduleView | undefined> {
    for (let tries = 0; tries < UPDATE_TRIES; tries += 1) {
      const record = await readSchedule(client, keys, id, tenant)
      if (record === undefined) return undefined
      if (patch.job !== undefined) await check(tenant, patch.job)
      const retimed = (['cron', 'timeZone', 'enabled'] as const).some(
        (field) => patch[field] !== undefined && patch[field] !== record[field],
      )
      const args = [prefix, id, tenant, record.revision, retimed ? '1' : '0', ...signedFields(tenant, id, patch)]
      const [word] = await runScript(client, 'fleetScheduleUpdate', keys.schedule(id), args)
      if (word === 'missing') return undefined
      if (word === 'changed') continue
      if (retimed) await follow(id)
      return viewOfKnown(tenant, id)
    }
    throw new FleetError('CONFLICT', 'the schedule is being changed by others at the same time', {
      retryable: true,
    })
  }

  async function remove(tenant: string, id: string): Promise<boolean> {
    const [word] = await runScript(client, 'fleetScheduleDelete', keys.schedule(id), [prefix, id, tenant])
    if (word !== 'ok') return false
    await follow(id)
    return true
  }

  async function history(tenant: string, id: string): Promise<ScheduleRun[] | undefined> {
    if ((await client.hget(keys.schedule(id), 'tenant')) !== tenant) return undefined
    const texts = await client.lrange(keys.scheduleRuns(id), 0, -1)
    return texts.flatMap((text) => scheduleRunSchema.safeParse(parseJson(text)).data ?? [])
  }

  async function run(tenant: string, id: string): Promise<JobView | undefined> {
    const record = await readSchedule(client, keys, id, tenant)
    if (record === undefined) return undefined
    const fired = await firing.fire(record, { scheduleId: id, at: Date.now() })
    if (fired.outcome === 'skipped') {
      const message = `the job ${fired.jobId} of the schedule has not ended`
      throw new FleetError('CONFLICT', message, { jobId: fired.jobId })
    }
    if (fired.outcome !== 'enqueued') return undefined
    return readView(client, keys, tenant, fired.jobId)
  }

  const call = <T>(work: Promise<T>) => within(CALL_MS, work, 'Redis did not answer')
  return {
    create: (tenant, spec) => call(create(tenant, spec)),
    get: (tenant, id) => call(get(tenant, id)),
    list: (tenant, query) => call(list(tenant, query)),
    update: (tenant, id, patch) => call(update(tenant, id, patch)),
    remove: (tenant, id) => call(remove(tenant, id)),
    history: (tenant, id) => call(history(tenant, id)),
    run: (tenant, id) => call(run(tenant, id)),
    async close() {
      const closing = Promise.all([queue.close(), schedulers.close()])
      await within(CALL_MS, closing, 'the queues did not close').catch(() => undefined)
    },
  }
}

/** Does the entry come behind the one that the cursor names? By time, among equal times by id, both falling. */
function isAfter(entry: { id: string; createdAt: number }, cursor: string): boolean {
  const dash = cursor.indexOf('-')
  const createdAt = Number(cursor.slice(0, dash))
  return entry.createdAt < createdAt || (entry.createdAt === createdAt && entry.id < cursor.slice(dash + 1))
}
