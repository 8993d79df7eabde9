import {
  FleetError,
  parseInput,
  SCHEDULE_ID_PATTERN,
  scheduleListQuerySchema,
  type JobPolicy,
} from '@claude-fleet/core'
import type { Schedules } from '@claude-fleet/queue'
import type { IRouter, Request, RequestHandler } from 'express'
import { tenantOf } from '../access/caller.js'
import { serve } from '../openapi/operation.js'
import { scheduleOperations } from '../openapi/operations/schedules.js'
import { jsonBody } from '../request/body.js'
import { refuseIdempotencyKey, scheduleInput, schedulePatch } from '../request/input.js'

/** `/v1/schedules` and what is below it. */
export function addScheduleRoutes(router: IRouter, schedules: Schedules, { policy }: { policy: JobPolicy }): void {
  const createSchedule: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    const schedule = await schedules.create(tenantOf(req), scheduleInput(jsonBody(req), policy))
    res.status(201).location(`/v1/schedules/${schedule.id}`).json(schedule)
  }

  const listSchedules: RequestHandler = async (req, res) => {
    res.json(await schedules.list(tenantOf(req), parseInput(scheduleListQuerySchema, { ...req.query })))
  }

  const getSchedule: RequestHandler = async (req, res) => {
    res.json(found(await schedules.get(tenantOf(req), scheduleId(req))))
  }

  const updateSchedule: RequestHandler = async (req, res) => {
    const id = scheduleId(req)
    res.json(found(await schedules.update(tenantOf(req), id, schedulePatch(jsonBody(req), policy))))
  }

  const deleteSchedule: RequestHandler = async (req, res) => {
    if (!(await schedules.remove(tenantOf(req), scheduleId(req)))) throw noSuchSchedule()
    res.status(204).end()
  }

  const getScheduleHistory: RequestHandler = async (req, res) => {
    res.json({ items: found(await schedules.history(tenantOf(req), scheduleId(req))) })
  }

  const runSchedule: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    const job = found(await schedules.run(tenantOf(req), scheduleId(req)))
    res.status(202).location(`/v1/jobs/${job.id}`).json(job)
  }

  serve(router, scheduleOperations, {
    createSchedule,
    listSchedules,
    getSchedule,
    updateSchedule,
    deleteSchedule,
    getScheduleHistory,
    runSchedule,
  })
}

/** The id in the path. What cannot be an id is answered as an unknown one, without asking Redis. */
function scheduleId(req: Request): string {
  const { id } = req.params
  if (typeof id !== 'string' || !SCHEDULE_ID_PATTERN.test(id)) throw noSuchSchedule()
  return id
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw noSuchSchedule()
  return value
}

const noSuchSchedule = () => new FleetError('NOT_FOUND', 'there is no such schedule')
