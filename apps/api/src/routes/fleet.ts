import { FleetError, WORKER_ID_PATTERN } from '@claude-fleet/core'
import type { Admin } from '@claude-fleet/queue'
import type { IRouter, RequestHandler } from 'express'
import { requireScope, tenantOf } from '../access/caller.js'
import { resource } from '@claude-fleet/http'

/**
 * `/v1/workers` and `/v1/stats`. Workers belong to the fleet, not to a tenant, and name hosts and credentials: both
 * their routes want the scope `admin`. Figures are the tenant's own.
 */
export function addFleetRoutes(router: IRouter, admin: Admin): void {
  const workers: RequestHandler = async (_req, res) => {
    res.json({ items: await admin.workers() })
  }

  const drain: RequestHandler = async (req, res) => {
    const { id } = req.params
    const known = typeof id === 'string' && WORKER_ID_PATTERN.test(id) && (await admin.drainWorker(id))
    if (!known) throw new FleetError('NOT_FOUND', 'there is no such live worker')
    res.status(202).json({ id, draining: true })
  }

  const stats: RequestHandler = async (req, res) => {
    res.json(await admin.stats(tenantOf(req)))
  }

  resource(router, '/v1/workers', { get: [requireScope('admin'), workers] })
  resource(router, '/v1/workers/:id/drain', { post: [requireScope('admin'), drain] })
  resource(router, '/v1/stats', { get: [requireScope('read'), stats] })
}
