import { FleetError, JOB_ID_PATTERN, jobListQuerySchema, parseInput, TENANT_PATTERN } from '@claude-fleet/core'
import { logOf, resource, sendEvents, type SseOptions } from '@claude-fleet/http'
import type { Admin, EventReader, FoundJob } from '@claude-fleet/queue'
import type { IRouter, Request } from 'express'
import { z } from 'zod'
import { shownSpec } from './spec.js'

const listSchema = jobListQuerySchema.extend({
  tenant: z.string().regex(TENANT_PATTERN, 'must be a tenant name').optional(),
})
const positionSchema = z.coerce.number().int().min(0).max(1e15).catch(0)

/** `/api/jobs`, one job, and its stream. */
export function addJobRoutes(
  router: IRouter,
  { admin, reader, closing }: { admin: Admin; reader: EventReader; closing: AbortSignal },
  options: SseOptions,
): void {
  resource(router, '/api/jobs', {
    get: [
      async (req, res) => {
        const { tenant, ...query } = parseInput(listSchema, { ...req.query })
        res.json(await admin.jobs(tenant, query))
      },
    ],
  })
  resource(router, '/api/jobs/:id', {
    get: [
      async (req, res) => {
        const { spec, ...found } = await jobOf(req, admin)
        res.json({ ...found, spec: shownSpec(spec) })
      },
    ],
  })
  resource(router, '/api/jobs/:id/events', {
    get: [
      async (req, res) => {
        const { tenant, job } = await jobOf(req, admin)
        const after = positionSchema.parse(req.headers['last-event-id'] ?? req.query['after'] ?? 0)
        const stop = new AbortController()
        const leave = () => stop.abort()
        res.once('close', leave)
        closing.addEventListener('abort', leave, { once: true })
        if (closing.aborted) leave()
        try {
          await sendEvents(res, reader.events(tenant, job.id, { after, signal: stop.signal }), options)
        } catch (error) {
          if (!res.headersSent) throw error
          // The page sees an end without a last event, and comes back.
          logOf(req).warn({ err: error, jobId: job.id }, 'event stream broke off')
          res.end()
        } finally {
          res.off('close', leave)
          closing.removeEventListener('abort', leave)
          stop.abort()
        }
      },
    ],
  })
}

/** The job a route names, of whatever tenant. Throws FleetError `NOT_FOUND`. */
export async function jobOf(req: Request, admin: Admin): Promise<FoundJob> {
  const { id } = req.params
  const found = typeof id === 'string' && JOB_ID_PATTERN.test(id) ? await admin.findJob(id) : undefined
  if (found === undefined) throw new FleetError('NOT_FOUND', 'there is no such job')
  return found
}
