import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Conformance } from './conformance.js'

/** Stands before a server and hands everything on as it comes; what is seen is held against the document. */
export interface CheckingProxy {
  url: string
  /** What was wrong so far. */
  faults(): string[]
  /** Replies seen whole or in part. */
  seen(): number
  close(): Promise<void>
}

/** Starts a proxy on 127.0.0.1 before `target`, `http://host:port`. Other processes than this one are seen too. */
export async function startCheckingProxy(target: string, conformance: Conformance): Promise<CheckingProxy> {
  const faults: string[] = []
  let seen = 0

  function handOn(incoming: IncomingMessage, reply: ServerResponse): void {
    const { method = 'GET', url = '/' } = incoming
    const sent: Buffer[] = []
    incoming.on('data', (piece: Buffer) => sent.push(piece))
    // A connection for each: one that is kept may be closed by the server just when it is used again.
    const { connection: _connection, ...headers } = incoming.headers
    const outgoing = request(target + url, { method, headers, agent: false })
    outgoing.on('error', () => reply.destroy())
    outgoing.on('response', (answer) => {
      const got: Buffer[] = []
      let told = false
      const tell = (cut: boolean) => {
        if (told) return
        told = true
        seen += 1
        faults.push(
          ...conformance.faultsOf({
            method,
            url,
            requestBody: sent.length === 0 ? undefined : Buffer.concat(sent).toString(),
            status: answer.statusCode ?? 0,
            headers: headersOf(answer),
            body: Buffer.concat(got).toString(),
            cut,
          }),
        )
      }
      reply.writeHead(answer.statusCode ?? 0, endToEnd(answer.rawHeaders))
      reply.flushHeaders()
      answer.on('data', (piece: Buffer) => got.push(piece))
      answer.on('end', () => tell(false))
      answer.on('close', () => tell(true))
      answer.on('error', () => reply.destroy())
      answer.on('aborted', () => reply.destroy())
      answer.pipe(reply)
    })
    reply.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  }

  const server = createServer(handOn)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults: () => faults,
    seen: () => seen,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** What is said of the connection is not handed on: the client has another one. */
function endToEnd(rawHeaders: string[]): string[] {
  const ofConnection = (name = '') => ['connection', 'keep-alive'].includes(name.toLowerCase())
  return rawHeaders.filter((_entry, at) => !ofConnection(rawHeaders[at - (at % 2)]))
}

function headersOf({ headers }: IncomingMessage): Headers {
  const copy = new Headers()
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) copy.set(name, String(value))
  return copy
}
