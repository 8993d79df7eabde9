import { once } from 'node:events'
import { connect } from 'node:net'
import { SettingsError } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi } from './server.js'
import { QUIET, startTestApi } from './testing/api.js'
import { startTestRedis } from './testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const HALF_A_REQUEST =
  'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{'

test('stop waits for a request in progress, a second call does not; unused connections hold nobody up', async () => {
  await using api = await startTestApi(redis.url, { stopMs: 60_000 })
  const unused = connect(api.service.port, '127.0.0.1')
  await once(unused, 'connect')
  const busy = connect(api.service.port, '127.0.0.1')
  busy.on('error', () => undefined)
  busy.write(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n${HALF_A_REQUEST}`)
  // The answer to the first request proves that the second has begun to arrive.
  await once(busy, 'data')
  let stopped = false
  const stopping = api.service.stop().then(() => (stopped = true))
  await once(unused, 'close')
  expect([stopped, busy.destroyed]).toEqual([false, false])
  await Promise.all([api.service.stop(), stopping, api.service.ended, once(busy, 'close')])
})

test('a request that was in progress when the server stops is answered', async () => {
  await using api = await startTestApi(redis.url)
  const busy = connect(api.service.port, '127.0.0.1')
  busy.write(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n${HALF_A_REQUEST}`)
  await once(busy, 'data')
  const stopping = api.service.stop()
  busy.write('"prompt"')
  let text = ''
  busy.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(busy, 'close')
  await stopping
  expect(text).toMatch(/^HTTP\/1\.1 400 /)
})

test('what keeps the API from starting is said, and nothing stays open', async () => {
  await using api = await startTestApi(redis.url)
  const { settings } = api
  const start = (change: object) => startApi({ ...settings, ...change }, { log: QUIET })
  await expect(start({ port: api.service.port })).rejects.toThrow(SettingsError)
  await expect(start({ port: api.service.port })).rejects.toThrow(/^FLEET_API_PORT: cannot listen/)
  await expect(start({ host: '0.0.0.0' })).rejects.toThrow(/^FLEET_API_HOST/)
  await expect(start({ redisUrl: 'redis://127.0.0.1:1' })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect((await clientNames()).filter((name) => name === 'claude-fleet-api')).toHaveLength(1)
})

/** The names of all connections that Redis has. */
async function clientNames(): Promise<string[]> {
  const { hostname, port, password } = new URL(redis.url)
  const socket = connect(Number(port), hostname)
  if (password !== '') socket.write(`AUTH ${decodeURIComponent(password)}\r\n`)
  socket.write('CLIENT LIST\r\nQUIT\r\n')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close')
  return [...text.matchAll(/ name=(\S*)/g)].map(([, name = '']) => name)
}
