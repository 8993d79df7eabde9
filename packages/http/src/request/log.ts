import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'
import { pinoHttp } from 'pino-http'

/** Paths that probes ask for every few seconds. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])

/**
 * One line for every request. Only what is listed here is written: no header (they hold keys), no query, no body (it
 * holds the prompt). The redaction is for what a later change might add.
 */
export function logRequests(log: Logger): RequestHandler {
  return pinoHttp({
    logger: log,
    redact: [
      'req.headers.authorization',
      'req.headers["x-api-key"]',
      'req.headers.cookie',
      'res.headers["set-cookie"]',
    ],
    wrapSerializers: false,
    serializers: {
      req: (req: IncomingMessage & { id?: unknown }) => ({ id: req.id, method: req.method, path: pathOf(req) }),
      res: (res: ServerResponse) => ({ status: res.statusCode }),
    },
    genReqId: (req) => req.id,
    customLogLevel: (req, res) => levelOf(pathOf(req), res.statusCode),
  })
}

function levelOf(path: string, status: number): 'debug' | 'info' | 'warn' {
  if (PROBES.has(path)) return 'debug'
  return status >= 500 ? 'warn' : 'info'
}

/** Without the query. Express rewrites `url` inside routers and keeps the whole in `originalUrl`. */
function pathOf(req: IncomingMessage & { originalUrl?: string }): string {
  return (req.originalUrl ?? req.url ?? '').split('?', 1)[0] ?? ''
}

/** The log of one request: its lines carry the request's id. Only behind `logRequests`. */
export function logOf(req: IncomingMessage): Logger {
  return req.log
}
