import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkedFetch } from './checked-fetch.js'
import { startCheckingProxy } from './checking-proxy.js'
import { readConformance, type Conformance } from './conformance.js'

const type = { type: 'object', properties: { seq: { type: 'integer' }, type: { type: 'string' } }, required: ['type'] }
const reply = (media: string) => ({
  200: { description: 'good', content: { [media]: { schema: { $ref: '#/components/schemas/Event' } } } },
})
const DOCUMENT = {
  paths: {
    '/good': { get: { responses: reply('application/json') } },
    '/bad': { get: { responses: reply('application/json') } },
    '/stream': { get: { responses: reply('text/event-stream') } },
  },
  components: {
    schemas: { Event: type },
    headers: {},
    responses: Object.fromEntries(
      Object.entries({ INVALID_REQUEST: 400, UNAUTHENTICATED: 401, FORBIDDEN: 403, NOT_FOUND: 404 }).map(
        ([name, status]) => [
          name,
          { content: { 'application/problem+json': { schema: { properties: { status: { const: status } } } } } },
        ],
      ),
    ),
  },
}
const ANSWERS: Record<string, [type: string, body: string]> = {
  '/openapi.json': ['application/json', JSON.stringify(DOCUMENT)],
  '/good': ['application/json', '{"type":"a"}'],
  '/bad': ['application/json', '{"type":"a","secret":1}'],
  '/stream': ['text/event-stream', 'id: 1\nevent: a\ndata: {"seq":1,"type":"b"}\n\n: ping\n\nid: 2\nevent: a\nda'],
  '/elsewhere': ['application/json', '{}'],
}

const server = createServer((req, res) => {
  const [media, body] = ANSWERS[req.url ?? ''] ?? ['text/plain', 'none']
  res.writeHead(200, { 'content-type': media, 'request-id': 'r' }).end(body)
})
let url: string
let conformance: Conformance
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  conformance = await readConformance(url)
})
afterAll(() => server.close())

const FAULTS = {
  '/bad': 'GET /bad 200: it must NOT have additional properties (secret)',
  '/stream': 'GET /stream 200: id 1 and event a are not those of the data',
  '/elsewhere': 'GET /elsewhere 200: status 200, and the document does not have this call',
}

test('a fetch of what is not as documented rejects, and says what is wrong; of a stream it keeps it', async () => {
  const checked = checkedFetch(conformance)
  expect(await (await checked.fetch(`${url}/good`)).json()).toEqual({ type: 'a' })
  for (const path of ['/bad', '/elsewhere'] as const) {
    await expect(checked.fetch(url + path)).rejects.toThrow(FAULTS[path])
  }
  expect(checked.faults()).toEqual([])
  expect(await (await checked.fetch(`${url}/stream`)).text()).toBe(ANSWERS['/stream']?.[1])
  expect(checked.faults()).toEqual([FAULTS['/stream']])
})

test('a proxy hands everything on as it is, and keeps what is wrong with it', async () => {
  const proxy = await startCheckingProxy(url, conformance)
  for (const path of ['/good', '/bad', '/stream', '/elsewhere']) {
    expect(await (await fetch(proxy.url + path)).text()).toBe(ANSWERS[path]?.[1])
  }
  await proxy.close()
  expect([proxy.seen(), proxy.faults()]).toEqual([4, [FAULTS['/bad'], FAULTS['/stream'], FAULTS['/elsewhere']]])
})
