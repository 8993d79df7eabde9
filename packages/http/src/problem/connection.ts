import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { FleetError } from '@claude-fleet/core'
import { PROBLEM_TYPE, problemOf } from './problem.js'

/**
 * Answers what Node's HTTP parser refuses before any route is asked: bad request lines, too large headers, requests
 * that take too long, `CONNECT` and unknown `Expect`. These get a problem document too, and the connection ends.
 */
export function answerConnectionFaults(server: Server): void {
  const current = new WeakMap<Duplex, ServerResponse>()
  server.on('request', (req: IncomingMessage, res: ServerResponse) => current.set(req.socket, res))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // A reply already under way cannot be followed by another; a broken socket takes none.
    if (error.code === 'ECONNRESET' || !socket.writable || current.get(socket)?.headersSent === true) {
      socket.destroy()
      return
    }
    const [status, reason, detail] = faultOf(error)
    endWith(socket, status, reason, new FleetError('INVALID_REQUEST', detail, { retryable: status === 408 }))
  })
  server.on('connect', (_req: IncomingMessage, socket: Duplex) => {
    endWith(socket, 405, 'Method Not Allowed', new FleetError('METHOD_NOT_ALLOWED', 'this is not a proxy'))
  })
  server.on('checkExpectation', (req: IncomingMessage) => {
    endWith(req.socket, 417, 'Expectation Failed', new FleetError('INVALID_REQUEST', 'this expectation is not known'))
  })
}

function faultOf(error: NodeJS.ErrnoException): [status: number, reason: string, detail: string] {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return [431, 'Request Header Fields Too Large', 'the headers are too large']
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return [408, 'Request Timeout', 'the request took too long to arrive']
  }
  return [400, 'Bad Request', 'this is not a valid HTTP request']
}

function endWith(socket: Duplex, status: number, reason: string, error: FleetError): void {
  const requestId = `req_${randomUUID()}`
  const body = JSON.stringify({ ...problemOf(error, requestId).problem, status })
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    `content-type: ${PROBLEM_TYPE}; charset=utf-8`,
    `content-length: ${Buffer.byteLength(body)}`,
    `request-id: ${requestId}`,
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
