import type { Admin } from '@claude-fleet/queue'
import type { RequestHandler } from 'express'
import { AggregatorRegistry, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { familiesOf } from './families.js'

export interface Metrics {
  contentType: string
  /** Prometheus text of everything. Never rejects because Redis is away: `claude_fleet_redis_up` says so. */
  text(): Promise<string>
  /** Times every request. */
  observe: RequestHandler
  /** Counts an event stream as open until the function it returns is called. */
  streamOpened(): () => void
}

/**
 * Metrics of this process, and of the whole fleet as Redis has them: those are the same at every API process and
 * outlive it. No label names a tenant, for the page needs no key.
 */
export function createMetrics(admin: Pick<Admin, 'metrics'>): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const redisUp = new Gauge({ name: 'claude_fleet_redis_up', help: '1 when Redis answered this scrape', registers })
  const streams = new Gauge({
    name: 'claude_fleet_event_streams_open',
    help: 'Event streams that this process serves now',
    registers,
  })
  const requests = new Histogram({
    name: 'claude_fleet_http_request_duration_seconds',
    help: 'Time from request to end of reply; event streams are left out',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
    registers,
  })

  /** Nothing while Redis is away: old figures would look like new ones. */
  async function fleetText(): Promise<string> {
    try {
      const families = familiesOf(await admin.metrics())
      const text = await AggregatorRegistry.aggregate([families]).metrics()
      redisUp.set(1)
      return text
    } catch {
      redisUp.set(0)
      return ''
    }
  }

  return {
    contentType: registry.contentType,
    async text() {
      const fleet = await fleetText()
      return fleet + (await registry.metrics())
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
    streamOpened() {
      streams.inc()
      return () => streams.dec()
    },
  }
}
