import {
  CREDENTIAL_PATTERN,
  credentialListSchema,
  credentialViewSchema,
  drainReplySchema,
  statsSchema,
  WORKER_ID_PATTERN,
  workerListSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import { EXAMPLES } from '../examples.js'
import type { Operation } from '../operation.js'

/**
 * `/v1/workers`, `/v1/credentials` and `/v1/stats`. Workers and credentials belong to the fleet, not to a tenant: their calls want the scope `admin`. Figures are the tenant's own.
 */
export const fleetOperations = {
  listWorkers: {
    method: 'get',
    path: '/v1/workers',
    tag: 'fleet',
    summary: 'List the live workers',
    scope: 'admin',
    replies: {
      200: {
        description: 'Workers whose heartbeat has not lapsed.',
        content: { type: 'application/json', schema: workerListSchema, example: EXAMPLES.workerList },
      },
    },
  },
  drainWorker: {
    method: 'post',
    path: '/v1/workers/:id/drain',
    tag: 'fleet',
    summary: 'Drain a worker',
    description: 'It claims no more, finishes what it runs, and exits.',
    scope: 'admin',
    params: z.object({ id: z.string().regex(WORKER_ID_PATTERN).describe('Id of the worker.') }),
    replies: {
      202: {
        description: 'It was told.',
        content: { type: 'application/json', schema: drainReplySchema, example: EXAMPLES.drainReply },
      },
    },
  },
  listCredentials: {
    method: 'get',
    path: '/v1/credentials',
    tag: 'fleet',
    summary: 'List the credentials of the workers',
    description: 'Names and how each is: whether jobs may use it, and if not why and until when. Never a value.',
    scope: 'admin',
    replies: {
      200: {
        description: 'Those that workers have, or that jobs wait for.',
        content: { type: 'application/json', schema: credentialListSchema, example: EXAMPLES.credentialList },
      },
    },
  },
  resumeCredential: {
    method: 'post',
    path: '/v1/credentials/:name/resume',
    tag: 'fleet',
    summary: 'Resume a credential',
    description:
      'Says that a credential can be used again. One that the API had refused is tried with one job; when that is answered, the others go on.',
    scope: 'admin',
    params: z.object({ name: z.string().regex(CREDENTIAL_PATTERN).describe('Name of the credential.') }),
    replies: {
      200: {
        description: 'How it is now.',
        content: { type: 'application/json', schema: credentialViewSchema, example: EXAMPLES.credential },
      },
    },
  },
  getStats: {
    method: 'get',
    path: '/v1/stats',
    tag: 'fleet',
    summary: 'Figures',
    description: "Jobs, cost, tokens and tools are the tenant's own; `pool` is of all live workers.",
    scope: 'read',
    replies: {
      200: {
        description: 'The figures now.',
        content: { type: 'application/json', schema: statsSchema, example: EXAMPLES.stats },
      },
    },
  },
} as const satisfies Record<string, Operation>
