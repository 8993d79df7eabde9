import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FleetClient } from '@claude-fleet/client'
import { fleetEventSchema, type StreamEvent } from '@claude-fleet/core'
import { sendEvents } from '@claude-fleet/http'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { piecesOf } from './input.js'
import { shaped, type JsonSchema } from './shaped.js'
import { fuzz, isLeftOut, titleOf, type FuzzTarget } from './target.js'

const ID = `j_${'a'.repeat(26)}`
let events: StreamEvent[] = []
let written: Buffer[] = []
let pieces: readonly Uint8Array[] = []

/** `/written`: as the API writes. Elsewhere: the same bytes, cut as the case says. */
const server = createServer((req, res) => {
  if (req.url === '/written') void sendEvents(res, listed(events), { pingMs: 60_000, stallMs: 60_000 })
  else void sendPieces(res)
})
let url: string
let client: FleetClient
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  client = await FleetClient.connect({ url, apiKey: 'k', verify: false })
})
afterAll(async () => {
  await client.close()
  server.close()
  server.closeAllConnections()
})

async function sendPieces(res: ServerResponse): Promise<void> {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  res.socket?.setNoDelay(true)
  for (const piece of pieces) {
    res.write(piece)
    await new Promise(setImmediate)
  }
  res.end()
}

async function* listed<T>(list: readonly T[]): AsyncGenerator<T> {
  yield* list
}

const json = z.toJSONSchema(fleetEventSchema, { io: 'input' }) as JsonSchema
const isEnd = (event: unknown) => ['completed', 'failed', 'cancelled'].includes((event as StreamEvent).type)
/** A record of strings loses it on the way, and shall. */
const isPlain = (one: unknown) => !JSON.stringify(one).includes('"__proto__"')
const stream = fc.record({
  body: fc.array(
    shaped(json, json).filter((event) => !isEnd(event) && isPlain(event)),
    { maxLength: 8 },
  ),
  end: shaped(json, json).filter((event) => isEnd(event) && isPlain(event)),
  cuts: fc.array(fc.nat(), { maxLength: 20 }),
})

const sse: FuzzTarget = { name: 'event streams', share: 5, short: 40 }
test.skipIf(isLeftOut(sse))(
  `a reader of an event stream gets what was written, however it is cut: ${titleOf(sse)}`,
  async () => {
    await fuzz(sse, stream, async ({ body, end, cuts }) => {
      // As the log holds them: JSON, numbered.
      const numbered = [...body, end].map((event, at) => ({ ...(event as object), jobId: ID, seq: at + 1 }))
      events = JSON.parse(JSON.stringify(numbered)) as StreamEvent[]
      const reply = await fetch(`${url}/written`)
      written = [Buffer.from(await reply.arrayBuffer())]
      pieces = piecesOf(Buffer.concat(written), cuts)
      const read: StreamEvent[] = []
      for await (const event of client.job(ID).events()) read.push(event)
      expect(read).toEqual(events)
    })
  },
)
