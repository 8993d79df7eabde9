import { createRequire } from 'node:module'
import { FleetError, isFleetError } from '@claude-fleet/core'
import type { IRouter } from 'express'
import type { Metrics } from '../metrics/metrics.js'
import { createDocument } from '../openapi/document.js'
import { serve, type Operations } from '../openapi/operation.js'
import { fleetOperations } from '../openapi/operations/fleet.js'
import { jobOperations } from '../openapi/operations/jobs.js'
import { scheduleOperations } from '../openapi/operations/schedules.js'
import { sessionOperations } from '../openapi/operations/sessions.js'
import { serviceOperations } from '../openapi/operations/service.js'
import { webhookOperations } from '../openapi/operations/webhooks.js'
import { renderPage } from '../openapi/page/page.js'

/** Every operation that is served. */
export const OPERATIONS: Operations = {
  ...jobOperations,
  ...sessionOperations,
  ...scheduleOperations,
  ...webhookOperations,
  ...fleetOperations,
  ...serviceOperations,
}

export interface ServiceRoutesDeps {
  /** Rejects when Redis does not answer, and with `CONFLICT` when it may evict jobs. */
  ready: () => Promise<unknown>
  notice: () => string | undefined
  metrics: Metrics
  closing: AbortSignal
}

/**
 * What needs no key: probes and metrics, the document and its page. The last two say nothing that is not in the source;
 * who calls them has no key yet, or reads in a browser.
 */
export function addServiceRoutes(router: IRouter, { ready, notice, metrics, closing }: ServiceRoutesDeps): void {
  const document = createDocument(OPERATIONS, packageVersion())
  const text = JSON.stringify(document)
  const page = renderPage(document)
  serve(router, serviceOperations, {
    getHealth: (_req, res) => void res.json({ status: 'ok' }),
    async getReadiness(_req, res) {
      if (closing.aborted) throw new FleetError('UNAVAILABLE', 'the server stops')
      await ready().catch((cause: unknown) => {
        if (!isFleetError(cause) || cause.code !== 'CONFLICT') throw cause
        throw new FleetError('UNAVAILABLE', cause.message, { cause, details: { detail: cause.message } })
      })
      const detail = notice()
      res.json({ status: 'ready', ...(detail === undefined ? {} : { detail }) })
    },
    async getMetrics(_req, res) {
      res.type(metrics.contentType).send(await metrics.text())
    },
    getOpenApi: (_req, res) => void res.type('application/json').send(text),
    getDocs(_req, res) {
      res.set('content-security-policy', page.contentSecurityPolicy).type('html').send(page.html)
    },
  })
}

function packageVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version
}
