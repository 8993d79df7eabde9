import { once, setMaxListeners } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { DEFAULTS, isLoopback, SettingsError, type ApiSettings } from '@claude-fleet/core'
import { checkRedis, connectRedis, createAdmin, createEventReader, createProducer } from '@claude-fleet/queue'
import type { Logger } from 'pino'
import { createApp, type AppDeps } from './app.js'
import { answerConnectionFaults } from './problem/connection.js'

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

/** A running API. */
export interface ApiService {
  /** `http://host:port` */
  url: string
  port: number
  /**
   * Takes no more requests, ends the event streams (their readers resume elsewhere), waits for the others at most
   * `stopMs`, then cuts them off and closes Redis. A second call cuts off at once. Both resolve when all is closed.
   */
  stop(): Promise<void>
  /** Resolves when `stop` is done. The API does not end by itself. */
  ended: Promise<void>
}

const STALL_MS = 60_000
const STOP_MS = 10_000
const HEADERS_MS = 10_000
const REQUEST_MS = 30_000
/** Longer than what load balancers keep, or they would send a request into a connection that is just closing. */
const KEEP_ALIVE_MS = 75_000

/**
 * Starts the API: connects to Redis, checks that it is fit for jobs, listens. Rejects with FleetError when Redis cannot
 * be used and with SettingsError when it cannot listen; nothing is left open then.
 */
export async function startApi(settings: ApiSettings, { log }: ApiDeps, options: ApiOptions = {}): Promise<ApiService> {
  const redis = await connectRedis({ url: settings.redisUrl, name: 'claude-fleet-api', log, mode: 'api' })
  const queue = { redis, log }
  const closing = new AbortController()
  // One listener for every open stream is what it is for; Node 20 takes more than ten for a leak.
  setMaxListeners(0, closing.signal)
  try {
    await checkRedis(redis)
    const deps: AppDeps = {
      producer: createProducer(queue, settings),
      reader: createEventReader(queue, settings),
      admin: createAdmin(queue, settings),
      ping: () => redis.ping(),
      closing: closing.signal,
      log,
    }
    const { pingMs = DEFAULTS.pingMs, stallMs = STALL_MS } = options
    const server = createHttpServer(deps, settings, { pingMs, stallMs })
    const { port } = await listen(server, settings)
    const url = `http://${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${port}`
    log.info({ url, keys: settings.keys.length }, 'the API listens')
    const closeQueue = async () => {
      await Promise.all([deps.producer.close(), deps.reader.close(), deps.admin.close()])
      await redis.close()
    }
    return { url, port, ...createStop(server, closing, closeQueue, options.stopMs ?? STOP_MS) }
  } catch (error) {
    await redis.close()
    throw error
  }
}

function createHttpServer(deps: AppDeps, settings: ApiSettings, streams: { pingMs: number; stallMs: number }): Server {
  const app = createApp(deps, { keys: settings.keys, policy: settings.policy, ...streams })
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The app answers a missing Host with a problem document.
      requireHostHeader: false,
      noDelay: true,
    },
    app,
  )
  answerConnectionFaults(server)
  return server
}

async function listen(server: Server, { host, port, keys }: ApiSettings): Promise<AddressInfo> {
  // Checked when settings are read, and again here: without keys this is all that stands before the network.
  if (keys.length === 0 && !isLoopback(host)) throw new SettingsError('FLEET_API_HOST', 'is not loopback without keys')
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new SettingsError('FLEET_API_PORT', `cannot listen: ${problem}`, { cause })
  }
  return server.address() as AddressInfo
}

function createStop(
  server: Server,
  closing: AbortController,
  closeQueue: () => Promise<void>,
  stopMs: number,
): Pick<ApiService, 'stop' | 'ended'> {
  let stopping: Promise<void> | undefined
  let resolveEnded = () => {}
  const ended = new Promise<void>((resolve) => (resolveEnded = resolve))

  const closeUnused = trackUnused(server)

  async function stopOnce(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    closing.abort()
    closeUnused()
    const timer = setTimeout(() => server.closeAllConnections(), stopMs)
    await closed
    clearTimeout(timer)
    await closeQueue()
    resolveEnded()
  }

  return {
    ended,
    stop() {
      if (stopping !== undefined) server.closeAllConnections()
      stopping ??= stopOnce()
      return stopping
    },
  }
}

/**
 * Gives the way to close every connection without a request in progress, those too that become so later. Node's own
 * `closeIdleConnections` leaves connections that never sent a request, and browsers and pools open such ahead.
 */
function trackUnused(server: Server): () => void {
  const inProgress = new Map<Socket, number>()
  let closing = false
  const add = (socket: Socket, change: number) => {
    const count = (inProgress.get(socket) ?? 0) + change
    inProgress.set(socket, count)
    if (closing && count === 0) socket.destroySoon()
  }
  server.on('connection', (socket: Socket) => {
    add(socket, 0)
    socket.once('close', () => inProgress.delete(socket))
  })
  server.on('request', ({ socket }, res) => {
    add(socket, 1)
    res.once('close', () => {
      if (inProgress.has(socket)) add(socket, -1)
    })
  })
  return () => {
    closing = true
    for (const socket of inProgress.keys()) add(socket, 0)
  }
}
