import {
  findPolicyFault,
  invalidInput,
  parseBatch,
  parseJob,
  parseSchedule,
  parseSchedulePatch,
  parseSession,
  parseSessionImport,
  type JobPolicy,
  type JobSpec,
  type PolicySubject,
  type SchedulePatch,
  type ScheduleSpec,
  type SessionImport,
  type SessionSpec,
} from '@claude-fleet/core'
import type { Request } from 'express'

/** The job of a `POST /v1/jobs`. Throws FleetError: `PAYLOAD_TOO_LARGE`, `INVALID_REQUEST` or `FORBIDDEN`, each naming the field. */
export function jobInput(body: object, policy: JobPolicy): JobSpec {
  const spec = parseJob(body)
  refuseByPolicy([{ spec, path: '' }], policy)
  return spec
}

/** The jobs of a `POST /v1/jobs/batch`; all are checked before any is returned. Throws as `jobInput` does. */
export function batchInput(body: object, policy: JobPolicy): { spec: JobSpec; customId: string | undefined }[] {
  const items = parseBatch(body)
  refuseByPolicy(
    items.map(({ spec }, index) => ({ spec, path: `jobs.${index}.` })),
    policy,
  )
  return items
}

/** The schedule of a `POST /v1/schedules`. Throws as `jobInput` does. */
export function scheduleInput(body: object, policy: JobPolicy): ScheduleSpec {
  const schedule = parseSchedule(body)
  refuseByPolicy([{ spec: schedule.job, path: 'job.' }], policy)
  return schedule
}

/** What a `PATCH /v1/schedules/:id` changes. Throws as `jobInput` does. */
export function schedulePatch(body: object, policy: JobPolicy): SchedulePatch {
  const patch = parseSchedulePatch(body)
  if (patch.job !== undefined) refuseByPolicy([{ spec: patch.job, path: 'job.' }], policy)
  return patch
}

/** The session of a `POST /v1/sessions`. Throws as `jobInput` does. */
export function sessionInput(body: object, policy: JobPolicy): SessionSpec {
  const spec = parseSession(body)
  refuseByPolicy([{ spec, path: '' }], policy)
  return spec
}

/** The session of a `POST /v1/sessions/import`. Throws as `jobInput` does. */
export function sessionImport(body: object, policy: JobPolicy): SessionImport {
  const imported = parseSessionImport(body)
  refuseByPolicy([{ spec: imported, path: '' }], policy)
  return imported
}

/** A promise that is not kept must not be taken for kept: only what enqueues is safe to repeat. */
export function refuseIdempotencyKey(req: Request): void {
  if (req.headers['idempotency-key'] === undefined) return
  throw invalidInput([
    {
      path: 'Idempotency-Key',
      message: 'is honoured by POST /v1/jobs, POST /v1/jobs/batch and POST /v1/sessions only',
    },
  ])
}

function refuseByPolicy(items: { spec: PolicySubject; path: string }[], policy: JobPolicy): void {
  const found = items.flatMap(({ spec, path }) => {
    const fault = findPolicyFault(spec, policy)
    return fault === undefined ? [] : [{ ...fault, path: path + fault.path }]
  })
  const [first] = found
  if (first === undefined) return
  const errors = found.map(({ path, message }) => ({ path, message }))
  throw invalidInput(errors, first.code)
}
