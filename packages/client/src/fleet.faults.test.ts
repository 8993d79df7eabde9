import { FleetError } from '@claude-fleet/core'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FleetClient } from './connect.js'
import { openTestFleet, startTestRedis } from './testing/fleet.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const ID = `j_${'a'.repeat(26)}`
const GONE = { http: { url: 'http://127.0.0.1:2' }, redis: { redis: 'redis://127.0.0.1:2' } }

/** A stand-in for what is between a client and the API: answers as it is told. */
async function startServer(status: number, headers: Record<string, string> = {}, body = '') {
  const askedAt: number[] = []
  const server = createServer((_req, res) => {
    askedAt.push(performance.now())
    res.writeHead(status, headers).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    askedAt,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function faultOf(work: Promise<unknown>): Promise<FleetError> {
  const error = await work.catch((reason: unknown) => reason)
  if (!(error instanceof FleetError)) throw new Error(`not a FleetError: ${String(error)}`)
  return error
}

describe.each(['http', 'redis'] as const)('over %s', (transport) => {
  test('connect to nobody is UNAVAILABLE, names the reason, and does not wait', async () => {
    const error = await faultOf(FleetClient.connect(GONE[transport]))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(error.message).toMatch(/cannot be reached: .*ECONNREFUSED/)
  })

  test('a call about a job says which job, whatever is wrong', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const missing = client.job(ID)
    const waiting = await client.enqueue({ prompt: 'p' })
    // Called one after the other: a call that nobody awaits yet would be an unhandled rejection on a busy machine.
    for (const call of [missing.get, missing.result, missing.cancel, missing.retry]) {
      expect(await faultOf(call())).toMatchObject({ code: 'NOT_FOUND', jobId: ID, retryable: false })
    }
    const events = missing.events()[Symbol.asyncIterator]()
    expect(await faultOf(events.next())).toMatchObject({ code: 'NOT_FOUND', jobId: ID })
    expect(await faultOf(waiting.retry())).toMatchObject({ code: 'CONFLICT', jobId: waiting.id })
  })
})

test('a wrong key is told by connect; one that may not read connects', async () => {
  await using fleet = await openTestFleet(redis.url)
  const wrong = await faultOf(FleetClient.connect({ url: fleet.url, apiKey: 'wrong' }))
  expect(wrong).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false, details: { status: 401 } })
  await using server = await startServer(403)
  await (await FleetClient.connect({ url: server.url })).close()
})

test('a server that is no fleet is told by connect', async () => {
  await using server = await startServer(200, { 'content-type': 'text/html' }, '<html>welcome</html>')
  const error = await faultOf(FleetClient.connect({ url: server.url }))
  expect(error).toMatchObject({ code: 'INTERNAL', retryable: false })
  expect(error.message).toContain('is this the address of a fleet?')
})

test.each([
  [400, 'INVALID_REQUEST', false],
  [401, 'UNAUTHENTICATED', false],
  [403, 'FORBIDDEN', false],
  [404, 'NOT_FOUND', false],
  [409, 'CONFLICT', false],
  [413, 'PAYLOAD_TOO_LARGE', false],
  [422, 'INVALID_REQUEST', false],
  [429, 'TOO_MANY_REQUESTS', true],
  [502, 'UNAVAILABLE', true],
  [503, 'UNAVAILABLE', true],
  [504, 'UNAVAILABLE', true],
  [307, 'INTERNAL', false],
  [418, 'INVALID_REQUEST', false],
  [500, 'INTERNAL', true],
])('a proxy that answers %i without a reason is %s, retryable %s', async (status, code, retryable) => {
  await using server = await startServer(status, { 'retry-after': '7' })
  const client = await FleetClient.connect({ url: server.url, verify: false })
  const facts = { code, retryable, details: { status, retryAfterMs: 7_000 } }
  expect(await faultOf(client.job(ID).get())).toMatchObject({ ...facts, jobId: ID })
  expect(await faultOf(client.enqueue({ prompt: 'p' }))).toMatchObject(facts)
  await client.close()
})

test.each([429, 503])('result waits as long as retry-after of a %i says', async (status) => {
  await using server = await startServer(status, { 'retry-after': '1' })
  const client = await FleetClient.connect({ url: server.url, verify: false, reconnectMs: 500 })
  expect(await faultOf(client.job(ID).result())).toMatchObject({ retryable: true, jobId: ID })
  const [first = 0, second = 0, ...more] = server.askedAt
  expect(second - first).toBeGreaterThanOrEqual(1_000)
  expect(more).toEqual([])
  await client.close()
})

test('a date in retry-after is understood', async () => {
  await using server = await startServer(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() })
  const error = await faultOf(FleetClient.connect({ url: server.url }))
  expect(error.details['retryAfterMs']).toBeGreaterThan(50_000)
  expect(error.details['retryAfterMs']).toBeLessThanOrEqual(60_000)
})
