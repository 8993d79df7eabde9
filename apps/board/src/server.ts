import { setMaxListeners } from 'node:events'
import { DEFAULTS, type BoardSettings } from '@claude-fleet/core'
import { openAuditLog, startHttpServer, type AuditLog, type HttpServer } from '@claude-fleet/http'
import {
  checkRedis,
  connectRedis,
  createAdmin,
  createEventReader,
  createProducer,
  createQueueView,
} from '@claude-fleet/queue'
import type { Logger } from 'pino'
import { createSite, type SiteDeps } from './app.js'

export interface BoardDeps {
  log: Logger
}

/** A running operators' site. */
export type BoardService = HttpServer

const STALL_MS = 60_000
const STOP_MS = 5_000

/**
 * Starts the operators' site: connects to Redis, checks that it is fit for jobs, listens. Rejects with FleetError when
 * Redis cannot be used and with SettingsError when it cannot listen; nothing is left open then.
 */
export async function startBoard(settings: BoardSettings, { log }: BoardDeps): Promise<BoardService> {
  const redis = await connectRedis({ url: settings.redisUrl, name: 'claude-fleet-board', log, mode: 'api' })
  const queue = { redis, log }
  const closing = new AbortController()
  // One listener for every open stream is what it is for; Node 20 takes more than ten for a leak.
  setMaxListeners(0, closing.signal)
  let audit: AuditLog | undefined
  try {
    await checkRedis(redis)
    audit = await openAuditLog({ log }, { role: 'board', file: settings.auditLog })
    const view = createQueueView(redis, settings)
    const deps: SiteDeps = {
      producer: createProducer(queue, settings),
      reader: createEventReader(queue, settings),
      admin: createAdmin(queue, settings),
      queue: view.queue,
      ping: () => redis.ping(),
      audit,
      closing: closing.signal,
      log,
    }
    const { host, port, user, password } = settings
    const server = await startHttpServer(
      createSite(deps, { user, password, pingMs: DEFAULTS.pingMs, stallMs: STALL_MS }),
      {
        host,
        port,
        portSetting: 'FLEET_BOARD_PORT',
        closing,
        stopMs: STOP_MS,
        async close() {
          await Promise.all([deps.producer.close(), deps.reader.close(), deps.admin.close(), view.close()])
          await audit?.close()
          await redis.close()
        },
      },
    )
    log.info({ url: server.url, user }, "the operators' site listens")
    return server
  } catch (error) {
    await audit?.close()
    await redis.close()
    throw error
  }
}
