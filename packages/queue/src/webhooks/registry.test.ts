import { randomBytes } from 'node:crypto'
import { LIMITS, WEBHOOK_SECRET_PATTERN } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFleet, QUIET, specOf, TENANT, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { openWebhooks, SECRET_KEY } from '../testing/webhooks.js'
import { createWebhooks } from './registry.js'
import { createVault } from './vault.js'

let server: TestRedis
let fleet: TestFleet
let hooks: ReturnType<typeof openWebhooks>
beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
  hooks = openWebhooks(server.url, fleet)
})
afterAll(async () => {
  await hooks.close()
  await fleet.close()
  await server.stop()
})

test('an endpoint is its tenant’s alone, and its secret is shown once', async () => {
  const { secret, ...made } = await hooks.create({ description: 'ours' })
  const { registry } = hooks
  expect(secret).toMatch(WEBHOOK_SECRET_PATTERN)
  expect(await registry.get(TENANT, made.id)).toEqual(made)
  expect(JSON.stringify([await registry.list(TENANT), await registry.get(TENANT, made.id)])).not.toContain('whsec_')
  const foreign = [
    await registry.get('other', made.id),
    await registry.update('other', made.id, { enabled: false }),
    await registry.rotate('other', made.id, 0),
    await registry.deliveries('other', made.id, 5),
    await registry.test('other', made.id),
  ]
  expect(foreign).toEqual([undefined, undefined, undefined, undefined, undefined])
  expect(await registry.remove('other', made.id)).toBe(false)
  expect(await registry.list('other')).toEqual([])
  expect(await registry.get(TENANT, made.id)).toEqual(made)

  const { keys, client } = fleet
  const raw = JSON.stringify(await client.hgetall(keys.hook(made.id)))
  expect(raw).not.toContain(secret.slice('whsec_'.length, -4))
  await expect(fleet.enqueue({ webhook: `wh_${'a'.repeat(26)}` })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  await expect(fleet.producer.enqueue({ tenant: 'other', spec: specOf({ webhook: made.id }) })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    details: { errors: [{ path: 'webhook' }] },
  })
})

test('after a rotation both secrets sign until the overlap ends', async () => {
  const { id, secret: first } = await hooks.create()
  const second = await hooks.registry.rotate(TENANT, id, 60_000)
  expect(second?.previousSecretUntil).toBeGreaterThan(Date.now())
  await hooks.deliver()
  await hooks.registry.test(TENANT, id)
  expect((await hooks.requests(1))[0]?.secrets).toEqual([second?.secret, first])
  const third = await hooks.registry.rotate(TENANT, id, 0)
  expect(third?.previousSecretUntil).toBeUndefined()
  await hooks.registry.test(TENANT, id)
  expect((await hooks.requests(2))[1]?.secrets).toEqual([third?.secret])
})

test('of rotations at one time each either holds or says that it did not', async () => {
  const { id } = await hooks.create()
  const answers = await Promise.allSettled(Array.from({ length: 6 }, () => hooks.registry.rotate(TENANT, id, 60_000)))
  const made = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value?.secret] : []))
  for (const answer of answers) {
    if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'CONFLICT' })
  }
  const before = hooks.sent.length
  await hooks.registry.test(TENANT, id)
  const secrets = (await hooks.requests(before + 1))[before]?.secrets ?? []
  expect(made.length).toBeGreaterThan(0)
  expect(made.slice(-3).filter((secret) => secret === undefined || !secrets.includes(secret))).toEqual([])
})

test('a tenant has only so many endpoints, and without a key nobody has any', async () => {
  const tenant = 'many'
  for (let at = 0; at < LIMITS.webhooks; at += 1) await hooks.create({}, tenant)
  await expect(hooks.create({}, tenant)).rejects.toMatchObject({ code: 'CONFLICT', retryable: false })
  const none = createWebhooks({ redis: fleet.redis, log: QUIET }, { prefix: fleet.prefix, secretKeys: [] })
  await expect(none.list(tenant)).rejects.toMatchObject({ code: 'FORBIDDEN' })
})

test('a sealed secret opens for its owner, with any of the keys, unchanged', () => {
  const older = createVault([SECRET_KEY])
  const both = createVault([randomBytes(32), SECRET_KEY])
  const sealed = older.seal('whsec_x', 'a')
  expect([older.open(sealed, 'a'), both.open(sealed, 'a')]).toEqual(['whsec_x', 'whsec_x'])
  expect(older.seal('whsec_x', 'a')).not.toBe(sealed)
  expect(() => older.open(sealed, 'b')).toThrow(/changed/)
  const middle = sealed.length - 8
  const flipped = sealed.slice(0, middle) + (sealed[middle] === 'A' ? 'B' : 'A') + sealed.slice(middle + 1)
  expect(() => older.open(flipped, 'a')).toThrow(/changed/)
  expect(() => older.open(both.seal('whsec_x', 'a'), 'a')).toThrow(/FLEET_WEBHOOK_KEY/)
  expect(() => createVault([randomBytes(16)])).toThrow(/32 bytes/)
})
