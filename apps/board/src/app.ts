import { FleetError } from '@claude-fleet/core'
import {
  answerProblem,
  logRequests,
  auditRequests,
  nameRequest,
  notFound,
  requireHost,
  resource,
  type AuditLog,
  type SseOptions,
} from '@claude-fleet/http'
import type { Admin, EventReader, Producer, QueueView } from '@claude-fleet/queue'
import express, { type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import type { Logger } from 'pino'
import { sameOrigin } from './access/origin.js'
import { signIn } from './access/sign-in.js'
import { auditViews } from './access/views.js'
import { addActionRoutes } from './routes/actions.js'
import { addFleetRoutes } from './routes/fleet.js'
import { addJobRoutes } from './routes/jobs.js'
import { addPages } from './routes/pages.js'
import { QUEUES_PATH, bullBoard } from './routes/queues.js'

export interface SiteDeps {
  producer: Producer
  reader: EventReader
  admin: Admin
  queue: QueueView['queue']
  /** Rejects when Redis does not answer. */
  ping: () => Promise<unknown>
  /** Aborts when the server stops. */
  closing: AbortSignal
  log: Logger
  audit: AuditLog
}

export interface SiteOptions extends SseOptions {
  user: string
  password: string
}

/** The operators' site (contract, section 2) as an express app, without a port. */
export function createSite(deps: SiteDeps, options: SiteOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(nameRequest, logRequests(deps.log), secureHeaders, requireHost)
  resource(app, '/healthz', { get: [(_req, res) => void res.json({ status: 'ok' })] })
  resource(app, '/readyz', {
    get: [
      async (_req, res) => {
        if (deps.closing.aborted) throw new FleetError('UNAVAILABLE', 'the server stops')
        await deps.ping()
        res.json({ status: 'ready' })
      },
    ],
  })
  // Before any route below it: without a sign-in nothing of the fleet is told.
  app.use(signIn(options, { now: Date.now, log: deps.log }))
  app.use(
    auditRequests(deps.audit, () => ({ who: options.user, tenant: undefined })),
    auditViews,
    sameOrigin,
  )
  app.use(QUEUES_PATH, bullBoard(deps.queue))
  addFleetRoutes(app, deps.admin)
  addJobRoutes(app, deps, options)
  addActionRoutes(app, deps, options)
  addPages(app)
  app.use(notFound)
  app.use(answerProblem)
  return app
}

const helmetHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      // uPlot and Bull Board set the style of elements; a style can name no address outside, as nothing else may be loaded.
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      formAction: ["'none'"],
      baseUri: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  xFrameOptions: { action: 'deny' },
})
const secureHeaders: RequestHandler = (req, res, next) => {
  res.setHeader('cache-control', 'no-store')
  helmetHeaders(req, res, next)
}
