import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

/** Takes webhooks, and refuses the first try of one in seven, so that it comes again. */
export interface Receiver extends AsyncDisposable {
  url: string
  /** Ids of the jobs whose end it was told and has taken. */
  told: ReadonlySet<string>
}

const payloadSchema = z.object({ data: z.object({ id: z.string() }) })

export async function startReceiver(): Promise<Receiver> {
  const told = new Set<string>()
  const tried = new Set<string>()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (piece: string) => (text += piece))
    request.on('end', () => {
      const payload = payloadSchema.safeParse(JSON.parse(text))
      const id = payload.data?.data.id ?? ''
      // Only its first try: after the second the fleet waits for five minutes.
      const refused = !tried.has(id) && tried.size % 7 === 6
      tried.add(id)
      if (!refused && payload.success) told.add(id)
      response.writeHead(refused ? 503 : 204).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ends`,
    told,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
