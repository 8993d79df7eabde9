import { auditAs } from '@claude-fleet/http'
import type { RequestHandler } from 'express'

const JOB = /^\/api\/(?<what>jobs|workers)\/(?<target>[^/]+)(?:\/(?<more>[a-z]+))?$/

/**
 * Says what an operator does, for the audit log: all that changes something, and all that shows a job. Figures and lists,
 * which a page asks for again and again, are left to the log of requests.
 */
export const auditViews: RequestHandler = (req, res, next) => {
  const { what, target, more } = JOB.exec(req.path)?.groups ?? {}
  if (what !== undefined)
    auditAs(res, { action: `board ${req.method} /api/${what}/:id${more ? `/${more}` : ''}`, target })
  else if (req.path.startsWith('/admin/queues/api')) auditAs(res, { action: `board ${req.method} Bull Board` })
  else if (req.method !== 'GET' && req.method !== 'HEAD') auditAs(res, { action: `board ${req.method} ${req.path}` })
  next()
}
