import { drainReplySchema, statsSchema, WORKER_ID_PATTERN, workerListSchema } from '@claude-fleet/core'
import { z } from 'zod'
import { EXAMPLES } from '../examples.js'
import type { Operation } from '../operation.js'

/**
 * `/v1/workers` and `/v1/stats`. Workers belong to the fleet, not to a tenant, and name hosts and credentials: both
 * their calls want the scope `admin`. Figures are the tenant's own.
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
