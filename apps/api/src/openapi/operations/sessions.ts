import {
  LIMITS,
  SESSION_ID_PATTERN,
  sessionImportSchema,
  sessionListQuerySchema,
  sessionPageSchema,
  sessionSpecSchema,
  sessionViewSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import { EXAMPLES } from '../examples.js'
import type { Operation, Reply } from '../operation.js'
import { idempotencyHeaderSchema } from './jobs.js'

const params = z.object({ id: z.string().regex(SESSION_ID_PATTERN).describe('Id of the session.') })

const sessionReply = (description: string): Reply => ({
  description,
  content: { type: 'application/json', schema: sessionViewSchema, example: EXAMPLES.session },
})

/** `/v1/sessions` and what is below it. */
export const sessionOperations = {
  createSession: {
    method: 'post',
    path: '/v1/sessions',
    tag: 'sessions',
    summary: 'Create a session, empty or as a fork of another',
    description:
      'A job continues it by naming it in `session`. Its turns run one at a time, in the order in which their jobs were ' +
      'enqueued, on whatever worker is free. With an `Idempotency-Key` the call is safe to repeat for 24 h. A tenant has at ' +
      `most ${LIMITS.sessions} sessions.`,
    scope: 'enqueue',
    headers: idempotencyHeaderSchema,
    body: {
      schema: sessionSpecSchema,
      limitBytes: LIMITS.jobBodyBytes,
      examples: { 'a session': EXAMPLES.sessionRequest, 'a fork': EXAMPLES.forkRequest },
    },
    replies: {
      200: {
        ...sessionReply('The session that an earlier call with this key and body made.'),
        headers: ['location'],
      },
      201: { ...sessionReply('Created.'), headers: ['location'] },
    },
    errors: ['IDEMPOTENCY_MISMATCH', 'NOT_FOUND', 'SESSION_CLOSED'],
  },
  importSession: {
    method: 'post',
    path: '/v1/sessions/import',
    tag: 'sessions',
    summary: 'Create a session with a memory that was exported',
    description:
      'The options are those of `POST /v1/sessions`, `transcript` is what `GET /v1/sessions/{id}/transcript` answered. The ' +
      'files that the conversation speaks of do not come along.',
    scope: 'enqueue',
    body: {
      schema: sessionImportSchema,
      limitBytes: LIMITS.importBodyBytes,
      examples: { 'two lines': EXAMPLES.sessionImport },
    },
    replies: { 201: { ...sessionReply('Created.'), headers: ['location'] } },
    errors: ['CONFLICT'],
  },
  listSessions: {
    method: 'get',
    path: '/v1/sessions',
    tag: 'sessions',
    summary: 'List sessions, newest first',
    description: 'Without their options.',
    scope: 'read',
    query: sessionListQuerySchema,
    replies: {
      200: {
        description: 'One page. `nextCursor` is there when there is another.',
        content: { type: 'application/json', schema: sessionPageSchema, example: EXAMPLES.sessionPage },
      },
    },
  },
  getSession: {
    method: 'get',
    path: '/v1/sessions/:id',
    tag: 'sessions',
    summary: 'Get a session',
    scope: 'read',
    params,
    replies: { 200: sessionReply('The session with its options.') },
  },
  closeSession: {
    method: 'delete',
    path: '/v1/sessions/:id',
    tag: 'sessions',
    summary: 'Close a session',
    description:
      'The turn that runs is cancelled, jobs that wait fail with `SESSION_CLOSED`, the memory is removed. Closing it again ' +
      'does nothing. Its record is kept as long as that of an ended job.',
    scope: 'enqueue',
    params,
    replies: { 202: sessionReply('It is closed; a turn that ran ends.') },
  },
  exportSession: {
    method: 'get',
    path: '/v1/sessions/:id/transcript',
    tag: 'sessions',
    summary: 'Export the memory of a session',
    description:
      'The lines of the transcript as `claude` writes them, without the turn that runs. Empty before the first turn has ' +
      'completed, and after the close.',
    scope: 'read',
    params,
    replies: {
      200: {
        description: 'One JSON object a line.',
        content: { type: 'application/x-ndjson', schema: 'text', example: EXAMPLES.transcript },
      },
    },
  },
} as const satisfies Record<string, Operation>
