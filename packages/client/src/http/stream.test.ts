import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FleetError, type StreamEvent } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { FleetClient } from '../connect.js'

const ID = `j_${'a'.repeat(26)}`

/** A stand-in for the API, for what a real one does only when a line or a proxy fails. */
async function startServer(handle: (req: IncomingMessage, res: ServerResponse) => void) {
  const server = createServer(handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const stream: StreamEvent[] = Array.from({ length: 40 }, (_, index) => {
  const at = { jobId: ID, attempt: 1, seq: index + 1, ts: 0 }
  return index === 39 ? { ...at, type: 'cancelled', reason: 'é' } : { ...at, type: 'text', text: `é${index}` }
})
const frame = (event: StreamEvent) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`

test('a stream cut at any byte, many times, yields every event once and in order', async () => {
  let connections = 0
  await using server = await startServer((req, res) => {
    connections += 1
    const after = Number(req.headers['last-event-id'] ?? 0)
    // Some proxies answer from the start again: what was seen must not come twice.
    const from = connections % 3 === 0 ? 0 : after
    const bytes = Buffer.from(stream.slice(from).map(frame).join(''))
    // A prime step, so that the cuts fall within ids, within data and within a character.
    const cut = Math.min(bytes.length, (from === 0 ? after * 110 : 0) + 211 + 97 * connections)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write(bytes.subarray(0, cut), () => (cut === bytes.length ? res.end() : res.destroy()))
  })
  const client = await FleetClient.connect({ url: server.url, verify: false })
  const seen: StreamEvent[] = []
  for await (const event of client.job(ID).events()) seen.push(event)
  await client.close()
  expect(seen).toEqual(stream)
  expect(connections).toBeGreaterThan(3)
})

test('a proxy that says 502 without a reason is waited for; a refusal is not', async () => {
  let asked = 0
  await using server = await startServer((_req, res) => {
    asked += 1
    if (asked <= 2) res.writeHead(502).end('<html>Bad Gateway</html>')
    else res.writeHead(401).end()
  })
  const client = await FleetClient.connect({ url: server.url, verify: false })
  const error = await client
    .job(ID)
    .result()
    .catch((reason: unknown) => reason)
  await client.close()
  expect(error).toBeInstanceOf(FleetError)
  expect(error).toMatchObject({ code: 'UNAUTHENTICATED', details: { status: 401 } })
  expect(asked).toBe(3)
})

test('a redirect is not followed: the key and the prompt go nowhere else', async () => {
  const seen: (string | undefined)[] = []
  await using elsewhere = await startServer((req, res) => {
    seen.push(req.headers.authorization)
    res.end('{}')
  })
  await using server = await startServer((_req, res) => res.writeHead(307, { location: elsewhere.url }).end())
  const client = await FleetClient.connect({ url: server.url, apiKey: 'secret', verify: false })
  await expect(client.enqueue({ prompt: 'p' })).rejects.toMatchObject({ code: 'INTERNAL' })
  await client.close()
  expect(seen).toEqual([])
})

test.each([
  [{ url: 'ftp://x' }, 'url'],
  [{ url: 'http://user:secret@x' }, 'url'],
  [{ url: 'http://x', apiKey: 'a b' }, 'apiKey'],
  [{ url: 'http://x', redis: 'redis://x' }, 'redis'],
  [{ redis: 'redis://x', tenant: '../other' }, 'tenant'],
  [{}, 'url'],
])('connect refuses %o and names %s', async (options, path) => {
  const error = await FleetClient.connect(options as never).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'INVALID_REQUEST', details: { errors: [{ path }] } })
  expect(String(error)).not.toContain('secret')
})
