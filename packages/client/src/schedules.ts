import {
  FleetError,
  parseInput,
  parseSchedule,
  parseSchedulePatch,
  refuseHostileJson,
  SCHEDULE_ID_PATTERN,
  scheduleListQuerySchema,
  type ScheduleInput,
  type SchedulePage,
  type SchedulePatchInput,
  type ScheduleRun,
  type ScheduleView,
} from '@claude-fleet/core'
import type { CallOptions, Job } from './fleet.js'
import type { ScheduleTransport } from './transport.js'

/** Which page of the schedules. */
export interface SchedulesQuery {
  /** 1 to 100, default 20. */
  limit?: number | undefined
  /** `nextCursor` of the page before. */
  cursor?: string | undefined
}

/**
 * The schedules of the tenant. Calls reject with FleetError: `INVALID_REQUEST` with `details.errors` for what cannot be,
 * `NOT_FOUND` for one that is not there.
 */
export interface ScheduleCalls {
  /** Rejects with `CONFLICT` when the tenant has as many as it may. */
  create(input: ScheduleInput, options?: CallOptions): Promise<ScheduleView>
  /** Newest first, without their jobs, a page at a time: pass `nextCursor` as `cursor` for the next. */
  list(query?: SchedulesQuery, options?: CallOptions): Promise<SchedulePage>
  get(id: string, options?: CallOptions): Promise<ScheduleView>
  /** What is left out stays. `{ enabled: false }` pauses it, `{ enabled: true }` resumes it. */
  update(id: string, patch: SchedulePatchInput, options?: CallOptions): Promise<ScheduleView>
  /** Its jobs stay, also one that runs. */
  delete(id: string, options?: CallOptions): Promise<void>
  /** What became of its last 50 times, newest first. */
  history(id: string, options?: CallOptions): Promise<ScheduleRun[]>
  /** Enqueues its job now. Rejects with `CONFLICT` when its overlap policy is `skip` and its job has not ended. */
  run(id: string, options?: CallOptions): Promise<Job>
}

/** `call` bounds a call by the caller's signal and the client's life; `job` makes a job of an id. */
export function createScheduleCalls(
  transport: ScheduleTransport,
  call: <T>(signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>) => Promise<T>,
  job: (id: string) => Job,
): ScheduleCalls {
  return {
    async create(input, options) {
      refuseHostileJson(input)
      const spec = parseSchedule(input)
      return call(options?.signal, (signal) => transport.create({ input, spec }, signal))
    },
    async list(query = {}, options) {
      const checked = parseInput(scheduleListQuerySchema, query)
      return call(options?.signal, (signal) => transport.list(checked, signal))
    },
    async get(id, options) {
      const known = mustBeScheduleId(id)
      return call(options?.signal, (signal) => transport.get(known, signal))
    },
    async update(id, input, options) {
      const known = mustBeScheduleId(id)
      refuseHostileJson(input)
      const patch = parseSchedulePatch(input)
      return call(options?.signal, (signal) => transport.update(known, { input, patch }, signal))
    },
    async delete(id, options) {
      const known = mustBeScheduleId(id)
      return call(options?.signal, (signal) => transport.remove(known, signal))
    },
    async history(id, options) {
      const known = mustBeScheduleId(id)
      return call(options?.signal, (signal) => transport.history(known, signal))
    },
    async run(id, options) {
      const known = mustBeScheduleId(id)
      return call(options?.signal, async (signal) => job((await transport.run(known, signal)).id))
    },
  }
}

function mustBeScheduleId(id: string): string {
  if (SCHEDULE_ID_PATTERN.test(id)) return id
  throw new FleetError('NOT_FOUND', 'there is no such schedule')
}
