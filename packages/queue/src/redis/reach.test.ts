import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { hostAnswers } from './reach.js'

test('a host that accepts or refuses a connection is there, whatever its Redis does', async () => {
  // Accepting is the kernel's doing: a process that stands still does it too.
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  expect(await hostAnswers({ host: '127.0.0.1', port })).toBe(true)
  server.close()
  await once(server, 'close')
  expect(await hostAnswers({ host: '127.0.0.1', port })).toBe(true)
})
