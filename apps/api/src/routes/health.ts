import { FleetError } from '@claude-fleet/core'
import type { IRouter } from 'express'
import type { Metrics } from '../metrics/metrics.js'
import { resource } from '@claude-fleet/http'

export interface HealthDeps {
  /** Rejects when Redis does not answer. */
  ping: () => Promise<unknown>
  metrics: Metrics
  closing: AbortSignal
}

/** What probes and scrapers ask, without a key: is the process up, can it serve, what does it count. */
export function addHealthRoutes(router: IRouter, { ping, metrics, closing }: HealthDeps): void {
  resource(router, '/healthz', { get: [(_req, res) => void res.json({ status: 'ok' })] })
  resource(router, '/readyz', {
    get: [
      async (_req, res) => {
        if (closing.aborted) throw new FleetError('UNAVAILABLE', 'the server stops')
        await ping()
        res.json({ status: 'ready' })
      },
    ],
  })
  resource(router, '/metrics', {
    get: [
      async (_req, res) => {
        res.type(metrics.contentType).send(await metrics.text())
      },
    ],
  })
}
