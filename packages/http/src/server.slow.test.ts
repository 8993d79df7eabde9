import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHttpServer, type HttpServer } from './server.js'

let server: HttpServer
beforeAll(async () => {
  server = await startHttpServer(
    (req, res) =>
      void req
        .resume()
        .on('end', () => res.end('whole'))
        .on('error', () => undefined),
    {
      host: '127.0.0.1',
      port: 0,
      portSetting: 'PORT',
      closing: new AbortController(),
      stopMs: 1_000,
      close: async () => undefined,
      patience: { headersMs: 300, requestMs: 700, checkMs: 50 },
    },
  )
})
afterAll(() => server.stop())

/** Sends `head`, then a byte of `drops` every 50 ms, until the other side has enough. Resolves to what it said. */
function drip(head: string, drops: string): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(server.port, '127.0.0.1')
    let heard = ''
    let at = 0
    const timer = setInterval(() => socket.writable && socket.write(drops[at++ % drops.length] ?? ''), 50)
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    socket.on('error', () => undefined)
    socket.on('close', () => (clearInterval(timer), resolve(heard)))
    socket.write(head)
  })
}

test.each([
  ['headers', 'GET / HTTP/1.1\r\nHost: x\r\nX-A: ', 'a'],
  ['a request line', 'GET /', 'a'],
  ['a body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n', 'x'],
  ['a body in chunks', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'],
])('%s that come byte by byte are cut off, however steadily', async (_what, head, drops) => {
  const heard = await drip(head, drops)
  expect(heard).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
  expect(heard).toContain('"retryable":true')
})

test('others are served meanwhile, and none of it stays open', async () => {
  const slow = Array.from({ length: 50 }, () => drip('GET / HTTP/1.1\r\n', 'X'))
  expect(await (await fetch(server.url, { headers: { connection: 'close' } })).text()).toBe('whole')
  expect((await Promise.all(slow)).every((heard) => heard.startsWith('HTTP/1.1 408'))).toBe(true)
})
