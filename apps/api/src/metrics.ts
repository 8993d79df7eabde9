import { JOB_STATES } from '@claude-fleet/core'
import type { Admin } from '@claude-fleet/queue'
import type { RequestHandler } from 'express'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  contentType: string
  /** Prometheus text of everything. Never rejects because Redis is away: `claude_fleet_redis_up` says so. */
  text(): Promise<string>
  /** Times every request. */
  observe: RequestHandler
}

/** Metrics of this process and of the whole fleet. No label names a tenant, for the page needs no key. */
export function createMetrics(admin: Pick<Admin, 'stats' | 'workers'>): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const jobs = new Gauge({ name: 'claude_fleet_jobs', help: 'Jobs by state', labelNames: ['state'], registers })
  const oldest = new Gauge({
    name: 'claude_fleet_oldest_waiting_seconds',
    help: 'How long the oldest waiting job has waited',
    registers,
  })
  const workers = new Gauge({ name: 'claude_fleet_workers', help: 'Live workers', registers })
  const running = new Gauge({ name: 'claude_fleet_attempts_running', help: 'Attempts in progress', registers })
  const redisUp = new Gauge({ name: 'claude_fleet_redis_up', help: '1 when Redis answered this scrape', registers })
  const requests = new Histogram({
    name: 'claude_fleet_http_request_duration_seconds',
    help: 'Time from request to end of reply; event streams are left out',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
    registers,
  })

  async function readFleet(): Promise<void> {
    try {
      const [figures, live] = await Promise.all([admin.stats(undefined), admin.workers()])
      for (const state of JOB_STATES) jobs.set({ state }, figures.jobs[state])
      oldest.set(figures.oldestWaitingMs / 1_000)
      workers.set(live.length)
      running.set(live.reduce((sum, worker) => sum + worker.running, 0))
      redisUp.set(1)
    } catch {
      // Old figures would look like new ones.
      for (const gauge of [jobs, oldest, workers, running]) gauge.reset()
      redisUp.set(0)
    }
  }

  return {
    contentType: registry.contentType,
    async text() {
      await readFleet()
      return registry.metrics()
    },
    observe: (req, res, next) => {
      const stop = requests.startTimer()
      res.once('close', () => {
        // The pattern of the route, never its ids: those are without number.
        const route = (req.route as { path?: unknown } | undefined)?.path
        if (typeof route === 'string' && route.endsWith('/events')) return
        stop({ method: req.method, route: typeof route === 'string' ? route : 'none', status: res.statusCode })
      })
      next()
    },
  }
}
