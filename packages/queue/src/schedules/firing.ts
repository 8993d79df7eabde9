import {
  findJsonFault,
  FleetError,
  isFleetError,
  JOB_ERROR_CODES,
  jobSpecSchema,
  type JobSpec,
} from '@claude-fleet/core'
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { refuseWithoutRoom } from '../admission/shares.js'
import type { AdmissionGate } from '../admission/gate.js'
import { newJobId } from '../ids.js'
import { cancelJob } from '../jobs/cancellation.js'
import { checkNamedWebhooks } from '../jobs/named-webhooks.js'
import { createPlacement, recordFields } from '../jobs/placement.js'
import type { Signer } from '../jobs/signature.js'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import { completeSpec, isSessionFault, sessionRefusal } from '../sessions/conversation.js'
import type { Log } from '../types.js'
import type { ScheduleRecord } from './record.js'

/** One time of a schedule. `timing`: of the schedule, when it came by itself. */
export interface Occasion {
  scheduleId: string
  at: number
  timing?: number | undefined
}

/** `void`: the schedule was paused, changed or removed. `known`: it was dealt with before. */
export type Fired = { outcome: 'enqueued' | 'skipped'; jobId: string } | { outcome: 'known' | 'void' }

export interface FiringDeps {
  client: Redis
  keys: Keys
  /** The queue of jobs. */
  queue: Queue
  admission: AdmissionGate
  signer: Signer
  log: Log
  retentionMs: number
}

/** Makes the jobs of schedules, by the way of every other job: record and `queued` first, then the queue. */
export interface Firing {
  /**
   * Rejects with FleetError `INVALID_JOB` when the stored job is none any more or nobody of this fleet has signed it, and
   * with what admission says.
   */
  fire(record: ScheduleRecord, occasion: Occasion): Promise<Fired>
  /** Puts the last job of a schedule into the queue, if whoever made its record died before that. */
  placeLast(scheduleId: string, record: ScheduleRecord): Promise<void>
  /** Writes down a time of which no job came. `cause`: why, of one that failed. */
  note(record: ScheduleRecord, occasion: Occasion, outcome: 'missed' | 'failed', cause?: unknown): Promise<void>
}

export function createFiring(deps: FiringDeps): Firing {
  const { client, keys, queue, admission, signer, log, retentionMs } = deps
  const { prefix } = keys
  const placement = createPlacement({ client, keys, queue, signer, log })

  async function cancelReplaced(tenant: string, id: string): Promise<void> {
    if (id === '') return
    const reason = 'replaced by the next job of its schedule'
    await cancelJob({ client, keys, queue }, { tenant, id, reason, retentionMs })
  }

  async function fire(record: ScheduleRecord, { scheduleId, at, timing }: Occasion): Promise<Fired> {
    const { tenant } = record
    const spec = await completeSpec({ client, keys, signer }, tenant, specOf(signer, scheduleId, record), 'job.session')
    await checkNamedWebhooks({ client, keys }, tenant, [{ id: spec.webhook, path: 'job.webhook' }])
    await admission.admit({ tenant, spec })
    const id = newJobId()
    const reply = await runScript(client, 'fleetTick', keys.job(id), [
      prefix,
      id,
      tenant,
      spec.delayMs,
      spec.session ?? '',
      scheduleId,
      at,
      timing === undefined ? 'manual' : 'cron',
      timing ?? '',
      ...recordFields(spec),
    ])
    const [word, detail = '', held] = reply
    refuseWithoutRoom(reply)
    if (isSessionFault(word)) throw sessionRefusal(word, spec.session ?? '', 'job.session')
    if (word === 'skipped') return { outcome: 'skipped', jobId: detail }
    // Also when it was dealt with before: whoever did may have died before this.
    if (word === 'known' || word === 'created') await cancelReplaced(tenant, detail)
    if (word === 'known') return { outcome: 'known' }
    if (word !== 'created') return { outcome: 'void' }
    // Not in the queue until the other was asked to end, so that the two are beside each other as shortly as can be.
    await placement.place({ id, tenant, spec, held: held === 'held' })
    return { outcome: 'enqueued', jobId: id }
  }

  return {
    fire,
    async placeLast(scheduleId, record) {
      const { tenant, lastJob } = record
      if (lastJob === undefined || (await client.zscore(keys.unplaced, lastJob)) === null) return
      const spec = await completeSpec({ client, keys, signer }, tenant, specOf(signer, scheduleId, record))
      const held = (await client.hexists(keys.job(lastJob), 'hold')) === 1
      await placement.place({ id: lastJob, tenant, spec, held })
    },
    async note({ tenant }, { scheduleId, at, timing }, outcome, cause) {
      const error = cause === undefined ? '' : JSON.stringify(errorOf(cause))
      const args = [prefix, scheduleId, tenant, at, timing === undefined ? 'manual' : 'cron', outcome, error]
      await runScript(client, 'fleetTickNote', keys.schedule(scheduleId), args)
    },
  }
}

function specOf(signer: Signer, id: string, { tenant, job, mac }: ScheduleRecord): JobSpec {
  const found = findJsonFault(job)
  if (found !== undefined)
    throw new FleetError('INVALID_JOB', `the job of the schedule: ${found.path} ${found.message}`)
  if (!signer.verify({ kind: 'schedule', id, tenant, spec: job }, mac)) {
    const message = 'the job of the schedule is signed by nobody of this fleet: FLEET_JOB_KEY must be the same for all'
    throw new FleetError('INVALID_JOB', message)
  }
  const parsed = jobSpecSchema.safeParse(job)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const fault = `${['job', ...(issue?.path ?? [])].join('.')} ${issue?.message ?? 'is not valid'}`
  throw new FleetError('INVALID_JOB', `the job of the schedule cannot be enqueued: ${fault}`, { cause: parsed.error })
}

function errorOf(cause: unknown): { code: string; message: string } {
  const message = cause instanceof Error ? cause.message : String(cause)
  const codes: readonly string[] = JOB_ERROR_CODES
  return { code: isFleetError(cause) && codes.includes(cause.code) ? cause.code : 'INTERNAL', message }
}
