import { setMaxListeners } from 'node:events'
import { DEFAULTS, isLoopback, SettingsError, type ApiSettings } from '@claude-fleet/core'
import { openAuditLog, startHttpServer, type AuditLog, type HttpServer } from '@claude-fleet/http'
import {
  checkRedis,
  connectRedis,
  createAdmin,
  createEventReader,
  createLimits,
  createProducer,
  createSchedules,
  createSessions,
  createWebhooks,
  type Courier,
} from '@claude-fleet/queue'
import type { Logger } from 'pino'
import { createAllowance } from './access/allowance.js'
import { watchKeyFile, type WatchedKeyFile } from './access/key-file.js'
import { watchTenantsFile, type TenantsFile } from './access/tenants-file.js'
import { createKeyRing } from './access/keys.js'
import { createApp, type AppDeps } from './app.js'
import { createAddressPolicy } from './webhooks/address.js'
import { startDelivery } from './webhooks/delivery.js'

export interface ApiDeps {
  log: Logger
}

export interface ApiOptions {
  /** Between two `: ping` of an event stream, ms. Default 15,000. */
  pingMs?: number
  /** A stream's reader that has taken nothing for this long is cut off, ms. Default 60,000. */
  stallMs?: number
  /** What `stop` gives requests in progress, ms. Default 10,000. */
  stopMs?: number
}

/** A running API. Its `stop` ends the event streams first; their readers resume elsewhere. */
export type ApiService = HttpServer

const STALL_MS = 60_000
const STOP_MS = 10_000
/** What requests to receivers of webhooks get when the process stops, ms; then whoever comes after makes them. */
const DELIVERY_STOP_MS = 3_000

/**
 * Starts the API: connects to Redis, checks that it is fit for jobs, listens. Rejects with FleetError when Redis cannot
 * be used and with SettingsError when it cannot listen; nothing is left open then.
 */
export async function startApi(settings: ApiSettings, { log }: ApiDeps, options: ApiOptions = {}): Promise<ApiService> {
  const addresses = createAddressPolicy(settings.webhooks.allow)
  const redis = await connectRedis({ url: settings.redisUrl, name: 'claude-fleet-api', log, mode: 'api' })
  const queue = { redis, log }
  const closing = new AbortController()
  // One listener for every open stream is what it is for; Node 20 takes more than ten for a leak.
  setMaxListeners(0, closing.signal)
  const ring = createKeyRing(settings.keys)
  let keyFile: WatchedKeyFile | undefined
  let tenantsFile: TenantsFile | undefined
  let audit: AuditLog | undefined
  let delivery: Pick<Courier, 'stop'> | undefined
  try {
    await checkRedis(redis)
    const limits = createLimits({ redis }, settings)
    if (settings.tenants !== undefined) {
      const { file, limits: first } = settings.tenants
      tenantsFile = await watchTenantsFile({ limits, log }, { file, first })
    } else if (await limits.exist()) {
      log.warn(
        'limits of tenants are in force that an earlier FLEET_TENANTS_FILE has set; a file with {} takes them away',
      )
    }
    audit = await openAuditLog({ log }, { role: 'api', file: settings.auditLog })
    const deps: AppDeps = {
      producer: createProducer(queue, settings),
      reader: createEventReader(queue, settings),
      admin: createAdmin(queue, settings),
      schedules: createSchedules(queue, settings),
      sessions: createSessions(queue, settings),
      webhooks: createWebhooks(queue, { prefix: settings.prefix, secretKeys: settings.webhooks.secretKeys }),
      addresses,
      ring,
      audit,
      allowance: createAllowance({ now: () => performance.now() }, settings.limits),
      countRequest: limits.request,
      ready: () => redis.ping().then(() => checkRedis(redis)),
      notice: () => tenantsFile?.fault(),
      closing: closing.signal,
      log,
    }
    const { pingMs = DEFAULTS.pingMs, stallMs = STALL_MS } = options
    const app = createApp(deps, { policy: settings.policy, pingMs, stallMs })
    const { host, port, keys } = settings
    // Checked when settings are read, and again here: without keys this is all that stands before the network.
    if (keys.length === 0 && !isLoopback(host))
      throw new SettingsError('FLEET_API_HOST', 'is not loopback without keys')
    const started = (delivery = await startDelivery({ addresses, log }, settings))
    // Beside the requests in progress, not after them: both have to end within the grace of a stop.
    closing.signal.addEventListener('abort', () => void started?.stop(DELIVERY_STOP_MS), { once: true })
    if (settings.keysFile !== undefined) keyFile = watchKeyFile({ ring, log }, { file: settings.keysFile })
    const server = await startHttpServer(app, {
      host,
      port,
      portSetting: 'FLEET_API_PORT',
      closing,
      stopMs: options.stopMs ?? STOP_MS,
      async close() {
        keyFile?.close()
        tenantsFile?.close()
        await Promise.all([
          delivery?.stop(DELIVERY_STOP_MS),
          deps.producer.close(),
          deps.schedules.close(),
          deps.sessions.end(),
          deps.reader.close(),
          deps.admin.close(),
        ])
        await audit?.close()
        await redis.close()
      },
    })
    log.info({ url: server.url, keys: keys.length }, 'the API listens')
    return server
  } catch (error) {
    keyFile?.close()
    tenantsFile?.close()
    await audit?.close()
    await delivery?.stop(0)
    await redis.close()
    throw error
  }
}
