import { FleetError, JOB_ID_PATTERN } from '@claude-fleet/core'
import type { Request } from 'express'

/** The id in the path. What cannot be an id is answered as an unknown one, without asking Redis. */
export function jobId(req: Request): string {
  const { id } = req.params
  if (typeof id !== 'string' || !JOB_ID_PATTERN.test(id)) throw noSuchJob()
  return id
}

/** The job, or `NOT_FOUND`: also for a job of another tenant, which does not exist for this one. */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw noSuchJob()
  return value
}

const noSuchJob = () => new FleetError('NOT_FOUND', 'there is no such job')
