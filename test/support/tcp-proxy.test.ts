import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { startTcpProxy } from './tcp-proxy.js'

async function startEcho() {
  const server = createServer((socket) => void socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

test('a line carries, drops in silence, carries on with what was sent meanwhile, delays and breaks', async () => {
  await using echo = await startEcho()
  await using proxy = await startTcpProxy(echo)
  const client = connect(proxy.port, '127.0.0.1')
  let heard = ''
  client.setEncoding('utf8').on('data', (text: string) => (heard += text))
  client.on('error', () => {})
  client.write('a')
  await once(client, 'data')
  expect(heard).toBe('a')

  proxy.drop()
  client.write('b')
  const silence = await Promise.race([once(client, 'data'), new Promise((resolve) => setTimeout(resolve, 200, 'none'))])
  expect(silence).toBe('none')
  proxy.restore()
  await once(client, 'data')
  expect(heard).toBe('ab')

  proxy.delay(100)
  const sentAt = performance.now()
  client.write('c')
  await once(client, 'data')
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(190)
  proxy.restore()

  const closed = new Promise((resolve) => client.once('close', resolve))
  proxy.reset()
  await closed
  expect(heard).toBe('abc')
})
