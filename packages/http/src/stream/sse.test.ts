import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { StreamEvent } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { sendEvents } from './sse.js'

test('a reader that stops reading holds little memory, and is cut off', async () => {
  const CHUNK = 'x'.repeat(64 * 1_024)
  let produced = 0
  async function* endless(): AsyncGenerator<StreamEvent> {
    for (let seq = 1; ; seq += 1) {
      produced = seq
      yield { jobId: 'j', attempt: 1, seq, ts: 0, type: 'text', text: CHUNK }
    }
  }
  let response: ServerResponse | undefined
  const server = createServer((_req, res) => {
    response = res
    void sendEvents(res, endless(), { pingMs: 20, stallMs: 200 }).then(() => server.emit('sent'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sent = once(server, 'sent')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  socket.pause()
  try {
    await sent
    expect(response?.destroyed).toBe(true)
    // What the kernel took on both sides, and at most one event more.
    expect(produced * CHUNK.length).toBeLessThan(16 * 1_048_576)
    expect(response?.writableLength).toBeLessThan(2 * CHUNK.length)
  } finally {
    socket.destroy()
    server.close()
    await once(server, 'close')
  }
})
