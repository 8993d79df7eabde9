import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import { FleetError } from '@claude-fleet/core'
import type { QueueView } from '@claude-fleet/queue'
import { Router } from 'express'
import { shownSpec } from './spec.js'

export const QUEUES_PATH = '/admin/queues'

/**
 * Bull Board on the fleet's queue. It only shows: BullMQ follows the fleet's records, so what is changed there behind
 * their back would be mended or lost. Its own routes that change something are shut by its read-only mode and here.
 */
export function bullBoard(queue: QueueView['queue']): Router {
  const adapter = new BullMQAdapter(queue, { readOnlyMode: true, allowRetries: false })
  adapter.setFormatter('data', (data: unknown) => shownData(data))
  const serverAdapter = new ExpressAdapter()
  serverAdapter.setBasePath(QUEUES_PATH)
  createBullBoard({ queues: [adapter], serverAdapter, options: { uiConfig: { boardTitle: 'claude-fleet' } } })
  const router = Router()
  router.use((req, _res, next) => {
    if (req.method === 'GET' || req.method === 'HEAD') return next()
    throw new FleetError('METHOD_NOT_ALLOWED', 'Bull Board only shows; cancel and retry are on the fleet page', {
      details: { allow: 'GET, HEAD' },
    })
  })
  router.use(serverAdapter.getRouter() as Router)
  return router
}

/** The data of a BullMQ job without the values of `env`, which may be secrets. */
function shownData(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('spec' in data)) return data
  return { ...data, spec: shownSpec(data.spec) }
}
