import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/** One request as a receiver of webhooks got it. */
export interface Received {
  path: string
  headers: Record<string, string>
  body: string
}

/** A server that keeps what it is sent. Ends with its connections when disposed. */
export async function startReceiver(
  answer: (res: ServerResponse, received: Received, req: IncomingMessage) => void = (res) =>
    void res.writeHead(204).end(),
  host = '127.0.0.1',
) {
  const received: Received[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let connections = 0
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const headers = req.headers as Record<string, string>
      const one = { path: req.url ?? '', headers, body: Buffer.concat(chunks).toString() }
      received.push(one)
      answer(res, one, req)
      for (const waiter of waiting) if (received.length >= waiter.count) waiter.resolve()
    })
  })
  server.on('connection', () => (connections += 1))
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://${host}:${port}/hook`,
    received,
    connections: () => connections,
    async requests(count: number): Promise<Received[]> {
      if (received.length < count) await new Promise<void>((resolve) => waiting.push({ count, resolve }))
      return received
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
