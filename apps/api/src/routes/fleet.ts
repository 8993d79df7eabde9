import { FleetError, CREDENTIAL_PATTERN, WORKER_ID_PATTERN } from '@claude-fleet/core'
import type { Admin } from '@claude-fleet/queue'
import type { IRouter, RequestHandler } from 'express'
import { tenantOf } from '../access/caller.js'
import { serve } from '../openapi/operation.js'
import { fleetOperations } from '../openapi/operations/fleet.js'

/** `/v1/workers`, `/v1/credentials` and `/v1/stats`. */
export function addFleetRoutes(router: IRouter, admin: Admin): void {
  const listWorkers: RequestHandler = async (_req, res) => {
    res.json({ items: await admin.workers() })
  }

  const drainWorker: RequestHandler = async (req, res) => {
    const { id } = req.params
    const known = typeof id === 'string' && WORKER_ID_PATTERN.test(id) && (await admin.drainWorker(id))
    if (!known) throw new FleetError('NOT_FOUND', 'there is no such live worker')
    res.status(202).json({ id, draining: true })
  }

  const listCredentials: RequestHandler = async (_req, res) => {
    res.json({ items: await admin.credentials() })
  }

  const resumeCredential: RequestHandler = async (req, res) => {
    const { name } = req.params
    const known = typeof name === 'string' && CREDENTIAL_PATTERN.test(name) && (await admin.resumeCredential(name))
    const view = known ? (await admin.credentials()).find((credential) => credential.name === name) : undefined
    if (view === undefined) throw new FleetError('NOT_FOUND', 'no worker has a credential of this name')
    res.json(view)
  }

  const getStats: RequestHandler = async (req, res) => {
    res.json(await admin.stats(tenantOf(req)))
  }

  serve(router, fleetOperations, { listWorkers, drainWorker, listCredentials, resumeCredential, getStats })
}
