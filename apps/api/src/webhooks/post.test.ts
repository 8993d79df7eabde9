import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { startReceiver } from '../testing/receiver.js'
import { createAddressPolicy } from './address.js'
import { createSender } from './post.js'

const secret = () => `whsec_${randomBytes(32).toString('base64')}`
const NEVER = new AbortController().signal
const local = createAddressPolicy(['127.0.0.1'])
const requestTo = (url: string, secrets = [secret()]) => ({
  url,
  id: 'j_1_completed_wh_1',
  body: '{"type":"x"}',
  secrets,
})

test('a request is signed with every secret, the newest first', async () => {
  await using receiver = await startReceiver()
  const secrets = [secret(), secret()]
  const answer = await createSender(local)(requestTo(receiver.url, secrets), NEVER)
  expect(answer).toMatchObject({ type: 'answered', status: 204 })
  const [{ headers, body } = { headers: {} as Record<string, string>, body: '' }] = receiver.received
  expect(headers).toMatchObject({ 'webhook-id': 'j_1_completed_wh_1', 'content-type': 'application/json' })
  for (const one of secrets) expect(new Webhook(one).verify(body, headers)).toEqual({ type: 'x' })
  expect(() => new Webhook(secret()).verify(body, headers)).toThrow(/signature/)
  expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
})

test('a name is looked up once, and the connection goes to what was checked, wherever the name points later', async () => {
  await using inside = await startReceiver()
  const asked: string[] = []
  const policy = createAddressPolicy(['127.0.0.2/32', 'hooks.test'])
  const strict = createAddressPolicy(['127.0.0.2/32'])
  const answers = [['127.0.0.2'], ['127.0.0.1'], ['127.0.0.1']]
  const resolve = async (url: URL) => {
    asked.push(url.hostname)
    return answers.shift() ?? []
  }
  // First the permitted address, where nobody listens; the second answer would lead inside.
  const url = `http://hooks.test:${inside.port}/`
  expect(await createSender(policy, { resolve })(requestTo(url), NEVER)).toMatchObject({ type: 'unreachable' })
  expect([asked, inside.connections()]).toEqual([['hooks.test'], 0])
  // Nothing of a private address is connected to, over either protocol.
  const other = `https://other.test:${inside.port}/`
  expect(await createSender(strict, { resolve })(requestTo(other), NEVER)).toMatchObject({ type: 'refused' })
  expect(await createSender(strict)(requestTo(inside.url), NEVER)).toMatchObject({ type: 'refused' })
  const mixed = async () => ['10.0.0.1', '::ffff:127.0.0.1', '127.0.0.1', '::1']
  expect(await createSender(strict, { resolve: mixed })(requestTo(other), NEVER)).toMatchObject({ type: 'refused' })
  expect(inside.connections()).toBe(0)
  expect(await createSender(strict, { resolve: async () => [] })(requestTo(other), NEVER)).toEqual({
    type: 'unreachable',
    reason: 'the name of the host is not known',
  })
})

test('a redirect is an answer like any other, and is not followed', async () => {
  await using target = await startReceiver()
  await using receiver = await startReceiver((res) => void res.writeHead(307, { location: target.url }).end())
  expect(await createSender(local)(requestTo(receiver.url), NEVER)).toMatchObject({ type: 'answered', status: 307 })
  expect(target.connections()).toBe(0)
})

test('a receiver that is slow, endless or broken holds nobody up', async () => {
  await using silent = await startReceiver(() => {})
  await using endless = await startReceiver((res) => {
    res.writeHead(200)
    const more = () => {
      while (res.write('x'.repeat(65_536)));
    }
    res.on('drain', more)
    more()
  })
  await using broken = await startReceiver((_res, _received, req) => void req.socket.destroy())
  await using busy = await startReceiver((res) => void res.writeHead(429, { 'retry-after': '120' }).end('later'))
  const send = createSender(local, { deadlineMs: 300 })
  expect(await send(requestTo(silent.url), NEVER)).toEqual({ type: 'unreachable', reason: 'no answer within 0.3 s' })
  const patient = createSender(local)
  expect(await patient(requestTo(endless.url), NEVER)).toMatchObject({ type: 'answered', status: 200 })
  expect(await patient(requestTo(broken.url), NEVER)).toEqual({
    type: 'unreachable',
    reason: 'the connection was broken',
  })
  expect(await patient(requestTo(busy.url), NEVER)).toMatchObject({ status: 429, retryAfterMs: 120_000 })
  const stop = new AbortController()
  const going = patient(requestTo(silent.url), stop.signal)
  await silent.requests(2)
  stop.abort(new Error('stopping'))
  await expect(going).rejects.toThrow('stopping')
})

test('a certificate that does not fit is named, and no address is', async () => {
  await using plain = await startReceiver()
  const answer = await createSender(local)(requestTo(`https://127.0.0.1:${plain.port}/`), NEVER)
  expect(answer.type).toBe('unreachable')
  expect(JSON.stringify(answer)).not.toContain('127.0.0.1')
})
