import { CREDENTIAL_PATTERN, FleetError, WORKER_ID_PATTERN } from '@claude-fleet/core'
import { logOf, resource } from '@claude-fleet/http'
import type { Admin, Producer } from '@claude-fleet/queue'
import type { IRouter } from 'express'
import { jobOf } from './jobs.js'

/** What operators may do: cancel and retry a job, drain a worker, resume a credential. Each leaves a line in the log that says who. */
export function addActionRoutes(
  router: IRouter,
  { admin, producer }: { admin: Admin; producer: Producer },
  { user }: { user: string },
): void {
  resource(router, '/api/jobs/:id/cancel', {
    post: [
      async (req, res) => {
        const { tenant, job } = await jobOf(req, admin)
        const answer = await producer.cancel(tenant, job.id, `cancelled by the operator ${user}`)
        logOf(req).info({ audit: 'cancel', user, tenant, jobId: job.id, answer }, 'operator cancelled a job')
        res.status(202).json({ id: job.id, answer })
      },
    ],
  })
  resource(router, '/api/jobs/:id/retry', {
    post: [
      async (req, res) => {
        const { tenant, job } = await jobOf(req, admin)
        const again = await producer.retry(tenant, job.id)
        if (again === undefined) throw new FleetError('NOT_FOUND', 'there is no such job')
        logOf(req).info({ audit: 'retry', user, tenant, jobId: job.id, newJobId: again.id }, 'operator ran a job again')
        res.status(202).json({ id: again.id })
      },
    ],
  })
  resource(router, '/api/workers/:id/drain', {
    post: [
      async (req, res) => {
        const { id } = req.params
        const known = typeof id === 'string' && WORKER_ID_PATTERN.test(id) && (await admin.drainWorker(id))
        if (!known) throw new FleetError('NOT_FOUND', 'there is no such live worker')
        logOf(req).info({ audit: 'drain', user, workerId: id }, 'operator drained a worker')
        res.status(202).json({ id })
      },
    ],
  })
  resource(router, '/api/credentials/:name/resume', {
    post: [
      async (req, res) => {
        const { name } = req.params
        const known = typeof name === 'string' && CREDENTIAL_PATTERN.test(name) && (await admin.resumeCredential(name))
        if (!known) throw new FleetError('NOT_FOUND', 'no worker has a credential of this name')
        logOf(req).info({ audit: 'resume', user, credential: name }, 'operator resumed a credential')
        res.status(202).json({ name })
      },
    ],
  })
}
