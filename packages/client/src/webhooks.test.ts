import { createServer, type IncomingHttpHeaders } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestFleet, startTestRedis } from './testing/fleet.js'
import { verifyWebhook } from './webhook.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

/** What a receiver got, one request at a time. */
async function startReceiver() {
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      res.writeHead(204).end()
      server.emit('webhook', req.headers, Buffer.concat(chunks))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    next: () => once(server, 'webhook') as Promise<[IncomingHttpHeaders, Buffer]>,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

test('over HTTP endpoints are kept, and what they get verifies with the secret that was shown', async () => {
  await using receiver = await startReceiver()
  await using fleet = await openTestFleet(redis.url)
  const { webhooks, ...client } = await fleet.connect('http')
  const { secret, ...made } = await webhooks.create({ url: receiver.url, events: [] })
  expect(await webhooks.list()).toEqual([made])
  expect(await webhooks.get(made.id)).toEqual(made)
  await fleet.work()
  const coming = receiver.next()
  const job = await client.enqueue({ prompt: 'echo one', webhook: made.id })
  const [headers, body] = await coming
  expect(verifyWebhook(headers, body, secret)).toMatchObject({ type: 'job.completed', data: { id: job.id } })
  await expect.poll(() => webhooks.deliveries(made.id, { limit: 1 })).toMatchObject([{ status: 'delivered' }])

  const rotated = await webhooks.rotate(made.id, { overlapMs: 60_000 })
  const testing = receiver.next()
  expect(await webhooks.test(made.id)).toMatchObject({ type: 'webhook.test', status: 'pending' })
  const [signed, sent] = await testing
  for (const one of [secret, rotated.secret]) expect(verifyWebhook(signed, sent, one).type).toBe('webhook.test')
  expect(await webhooks.update(made.id, { enabled: false })).toMatchObject({ enabled: false, url: receiver.url })
  await expect(webhooks.test(made.id)).rejects.toMatchObject({ code: 'CONFLICT' })
  await webhooks.delete(made.id)
  await expect(webhooks.get(made.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(webhooks.get('../jobs')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(webhooks.create({ url: 'mailto:a@example.com' })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    details: { errors: [{ path: 'url' }] },
  })
})

test('over Redis the calls are refused, and a job may name an endpoint all the same', async () => {
  await using fleet = await openTestFleet(redis.url)
  const http = await fleet.connect('http')
  const client = await fleet.connect('redis')
  const { id } = await http.webhooks.create({ url: 'https://example.com/' })
  await expect(client.webhooks.list()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(client.webhooks.create({ url: 'https://example.com/' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await client.enqueue({ prompt: 'echo one', webhook: id })
  for (const one of [client, http]) {
    await expect(one.enqueue({ prompt: 'p', webhook: `wh_${'a'.repeat(26)}` })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: { errors: [{ path: 'webhook', message: 'is no webhook of this tenant' }] },
    })
  }
})

test('a call repeated with its key is told of its job, though the endpoint that it names is gone', async () => {
  await using fleet = await openTestFleet(redis.url)
  const client = await fleet.connect('http')
  const { id } = await client.webhooks.create({ url: 'https://example.com/' })
  const call = () => client.enqueue({ prompt: 'echo one', webhook: id }, { idempotencyKey: 'one' })
  const job = await call()
  await client.webhooks.delete(id)
  expect((await call()).id).toBe(job.id)
  await expect(client.enqueue({ prompt: 'echo one', webhook: id })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

test('a request that was not signed with the secret, was changed or is old, is refused', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const body = JSON.stringify({ type: 'webhook.test', timestamp: new Date().toISOString(), data: { webhook: 'wh_1' } })
  const now = new Date()
  const signed = (id: string, at: Date, text: string) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, at, text),
  })
  const good = signed('m_1', now, body)
  expect(verifyWebhook(new Headers(good), body, secret).type).toBe('webhook.test')
  const bad: [Record<string, string | string[]>, string, string][] = [
    [good, body, 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    [good, `${body} `, secret],
    [{ ...good, 'webhook-id': 'm_2' }, body, secret],
    [{ ...good, 'webhook-signature': [good['webhook-signature'], 'v1,x'] }, body, secret],
    [signed('m_1', new Date(now.getTime() - 600_000), body), body, secret],
    [{}, body, secret],
  ]
  for (const [headers, text, key] of bad) {
    expect(() => verifyWebhook(headers, text, key)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }))
  }
  const strange = '{"type":"job.exploded","timestamp":"","data":{}}'
  expect(() => verifyWebhook(signed('m_1', now, strange), strange, secret)).toThrow(
    expect.objectContaining({ code: 'INVALID_REQUEST' }),
  )
})
