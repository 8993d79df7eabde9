import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { SettingsError } from '@claude-fleet/core'
import { answerConnectionFaults } from './problem/connection.js'

export interface HttpServerOptions {
  host: string
  /** 0: a free one. */
  port: number
  /** Name of the setting that says the port, for the error. */
  portSetting: string
  /** Aborted when the server stops, before requests in progress are waited for: long replies end with it. */
  closing: AbortController
  /** What `stop` gives requests in progress, ms. */
  stopMs: number
  /** Closes what the app uses, once no request is left. */
  close: () => Promise<void>
  /** For tests. Default: 10 s, 30 s, each looked at every second. */
  patience?: RequestPatience
}

/** How long a request may take to arrive, ms; then it is answered `408` and its connection ends. */
export interface RequestPatience {
  headersMs: number
  requestMs: number
  checkMs: number
}

/** A server that listens. */
export interface HttpServer {
  /** `http://host:port` */
  url: string
  port: number
  /**
   * Takes no more requests, aborts `closing`, waits for the others at most `stopMs`, then cuts them off and calls
   * `close`. A second call cuts off at once. Both resolve when all is closed.
   */
  stop(): Promise<void>
  /** Resolves when `stop` is done. A server does not end by itself. */
  ended: Promise<void>
}

const PATIENCE: RequestPatience = { headersMs: 10_000, requestMs: 30_000, checkMs: 1_000 }
/** Longer than what load balancers keep, or they would send a request into a connection that is just closing. */
const KEEP_ALIVE_MS = 75_000

/** Serves `app`. Rejects with SettingsError when it cannot listen. */
export async function startHttpServer(app: RequestListener, options: HttpServerOptions): Promise<HttpServer> {
  const { headersMs, requestMs, checkMs } = options.patience ?? PATIENCE
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: checkMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The app answers a missing Host with a problem document.
      requireHostHeader: false,
      noDelay: true,
    },
    app,
  )
  answerConnectionFaults(server)
  const { host } = options
  const { port } = await listen(server, options)
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { url, port, ...createStop(server, options) }
}

async function listen(
  server: Server,
  { host, port, portSetting }: Pick<HttpServerOptions, 'host' | 'port' | 'portSetting'>,
): Promise<AddressInfo> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new SettingsError(portSetting, `cannot listen: ${problem}`, { cause })
  }
  return server.address() as AddressInfo
}

function createStop(server: Server, { closing, close, stopMs }: HttpServerOptions): Pick<HttpServer, 'stop' | 'ended'> {
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
    await close()
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
