import {
  jobViewSchema,
  LIMITS,
  SCHEDULE_ID_PATTERN,
  scheduleHistorySchema,
  scheduleListQuerySchema,
  schedulePageSchema,
  schedulePatchSchema,
  scheduleSpecSchema,
  scheduleViewSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import { EXAMPLES } from '../examples.js'
import type { Operation, Reply } from '../operation.js'

const params = z.object({ id: z.string().regex(SCHEDULE_ID_PATTERN).describe('Id of the schedule.') })

const scheduleReply = (description: string): Reply => ({
  description,
  content: { type: 'application/json', schema: scheduleViewSchema, example: EXAMPLES.schedule },
})

/** `/v1/schedules` and what is below it. */
export const scheduleOperations = {
  createSchedule: {
    method: 'post',
    path: '/v1/schedules',
    tag: 'schedules',
    summary: 'Create a schedule',
    description:
      'At each time of `cron` in `timeZone` a worker enqueues `job`. A time that the clocks of a zone skip comes an hour ' +
      `later, one that they have twice comes once. A tenant has at most ${LIMITS.schedules} schedules.`,
    scope: 'enqueue',
    body: {
      schema: scheduleSpecSchema,
      limitBytes: LIMITS.jobBodyBytes,
      examples: { 'each morning': EXAMPLES.scheduleRequest },
    },
    replies: { 201: { ...scheduleReply('Created.'), headers: ['location'] } },
    errors: ['NOT_FOUND', 'SESSION_CLOSED'],
  },
  listSchedules: {
    method: 'get',
    path: '/v1/schedules',
    tag: 'schedules',
    summary: 'List schedules, newest first',
    description: 'Without their jobs.',
    scope: 'read',
    query: scheduleListQuerySchema,
    replies: {
      200: {
        description: 'One page. `nextCursor` is there when there is another.',
        content: { type: 'application/json', schema: schedulePageSchema, example: EXAMPLES.schedulePage },
      },
    },
  },
  getSchedule: {
    method: 'get',
    path: '/v1/schedules/:id',
    tag: 'schedules',
    summary: 'Get a schedule',
    scope: 'read',
    params,
    replies: { 200: scheduleReply('The schedule with its job.') },
  },
  updateSchedule: {
    method: 'patch',
    path: '/v1/schedules/:id',
    tag: 'schedules',
    summary: 'Change, pause or resume a schedule',
    description:
      'What is left out stays; `job` and `metadata` are replaced as a whole. `{"enabled": false}` pauses it. Jobs that it ' +
      'has enqueued stay as they are, and times that passed in a pause do not come later.',
    scope: 'enqueue',
    params,
    body: {
      schema: schedulePatchSchema,
      limitBytes: LIMITS.jobBodyBytes,
      examples: { pause: EXAMPLES.schedulePatch },
    },
    replies: { 200: scheduleReply('As it is now.') },
    errors: ['SESSION_CLOSED'],
  },
  deleteSchedule: {
    method: 'delete',
    path: '/v1/schedules/:id',
    tag: 'schedules',
    summary: 'Delete a schedule',
    description: 'Its history goes with it; its jobs stay, also one that runs.',
    scope: 'enqueue',
    params,
    replies: { 204: { description: 'It is gone.' } },
  },
  getScheduleHistory: {
    method: 'get',
    path: '/v1/schedules/:id/history',
    tag: 'schedules',
    summary: 'What became of the last times of a schedule',
    description: `The last ${LIMITS.scheduleRuns}, newest first.`,
    scope: 'read',
    params,
    replies: {
      200: {
        description: 'Newest first.',
        content: { type: 'application/json', schema: scheduleHistorySchema, example: EXAMPLES.scheduleHistory },
      },
    },
  },
  runSchedule: {
    method: 'post',
    path: '/v1/schedules/:id/run',
    tag: 'schedules',
    summary: 'Enqueue the job of a schedule now',
    description:
      'Also while it is paused; its times stay as they are. The overlap policy holds: with `skip` it is `409` while its ' +
      'job has not ended. Not safe to repeat: each call is a job.',
    scope: 'enqueue',
    params,
    replies: {
      202: {
        description: 'Enqueued.',
        headers: ['location'],
        content: { type: 'application/json', schema: jobViewSchema, example: EXAMPLES.scheduledJob },
      },
    },
    errors: ['SESSION_CLOSED', 'MAX_BUDGET'],
  },
} as const satisfies Record<string, Operation>
