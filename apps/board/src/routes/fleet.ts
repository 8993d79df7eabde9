import { resource } from '@claude-fleet/http'
import type { Admin } from '@claude-fleet/queue'
import type { IRouter } from 'express'

const SESSIONS_SHOWN = 20

/** `/api/fleet`: everything the fleet page shows at a glance. */
export function addFleetRoutes(router: IRouter, admin: Admin): void {
  resource(router, '/api/fleet', {
    get: [
      async (_req, res) => {
        const [workers, credentials, stats, history, tenants, sessionCounts, sessions] = await Promise.all([
          admin.workers(),
          admin.credentials(),
          admin.stats(undefined),
          admin.history(undefined),
          admin.tenants(),
          admin.sessionCounts(),
          admin.sessions(SESSIONS_SHOWN),
        ])
        res.json({ now: Date.now(), workers, credentials, stats, history, tenants, sessionCounts, sessions })
      },
    ],
  })
}
