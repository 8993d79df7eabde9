import type { JobPolicy } from '@claude-fleet/core'
import {
  answerProblem,
  auditRequests,
  logRequests,
  nameRequest,
  notFound,
  requireHost,
  type AuditLog,
  type SseOptions,
} from '@claude-fleet/http'
import type { Admin, EventReader, Producer, Schedules, Sessions, Webhooks } from '@claude-fleet/queue'
import express, { type Express, type Request, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { Logger } from 'pino'
import { authenticate, callerOf, limitTenant } from './access/caller.js'
import type { Allowance } from './access/allowance.js'
import type { KeyRing } from './access/keys.js'
import { onlyLocal } from './access/local.js'
import { createMetrics } from './metrics/metrics.js'
import { addFleetRoutes } from './routes/fleet.js'
import { addJobRoutes } from './routes/jobs.js'
import { addScheduleRoutes } from './routes/schedules.js'
import { addSessionRoutes } from './routes/sessions.js'
import { addServiceRoutes } from './routes/service.js'
import { addWebhookRoutes } from './routes/webhooks.js'
import type { AddressPolicy } from './webhooks/address.js'

export interface AppDeps {
  producer: Producer
  reader: EventReader
  admin: Admin
  schedules: Schedules
  sessions: Sessions
  webhooks: Webhooks
  /** Where webhooks may be sent. */
  addresses: AddressPolicy
  /** Who may ask. */
  ring: KeyRing
  audit: AuditLog
  /** How much of it. */
  allowance: Allowance
  /** Counts a call of this tenant. Rejects when it has made as many as it may. */
  countRequest: (tenant: string) => Promise<void>
  /** What is wrong and does not keep the API from serving. */
  notice: () => string | undefined
  /** Rejects when Redis does not answer, or may evict jobs. */
  ready: () => Promise<unknown>
  /** Aborts when the server stops. */
  closing: AbortSignal
  log: Logger
}

export interface AppOptions extends SseOptions {
  policy: JobPolicy
}

/** The HTTP API of contract section 2 as an express app, without a port. */
export function createApp(deps: AppDeps, options: AppOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  const metrics = createMetrics(deps.admin)
  app.use(nameRequest, logRequests(deps.log), metrics.observe, secureHeaders, requireHost)
  if (deps.ring.count === 0) app.use(onlyLocal)
  addServiceRoutes(app, { ...deps, metrics })
  // Before any route below it: without a key nothing is told of what is there, and no body is read.
  app.use(
    '/v1',
    authenticate(deps.ring, deps.allowance),
    limitTenant(deps.countRequest),
    auditRequests(deps.audit, whoOf),
  )
  addJobRoutes(app, { ...deps, streamOpened: metrics.streamOpened }, options)
  addSessionRoutes(app, deps.sessions, options)
  addScheduleRoutes(app, deps.schedules, options)
  addWebhookRoutes(app, deps)
  addFleetRoutes(app, deps.admin)
  app.use(notFound)
  app.use(answerProblem)
  return app
}

const helmetHeaders = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
})

const secureHeaders: RequestHandler = (req, res, next) => {
  res.setHeader('cache-control', 'no-store')
  helmetHeaders(req, res, next)
}

const whoOf = (req: Request) => {
  const { keyId, tenant } = callerOf(req)
  return { who: keyId, tenant }
}
