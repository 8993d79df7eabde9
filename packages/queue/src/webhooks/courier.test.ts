import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { webhookPayloadSchema } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, specOf, TENANT, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { openWebhooks, SECRET_KEY } from '../testing/webhooks.js'

const CRASH = fileURLToPath(new URL('../testing/crash.mjs', import.meta.url))
const COURIER = fileURLToPath(new URL('../testing/lost-courier.mjs', import.meta.url))

let server: TestRedis
let fleet: TestFleet
let hooks: ReturnType<typeof openWebhooks>
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => {
  fleet = await openFleet(server.url)
  hooks = openWebhooks(server.url, fleet)
})
afterEach(async () => {
  await hooks.close()
  await fleet.close()
})

const statuses = async (id: string) => (await hooks.registry.deliveries(TENANT, id, 20))?.map(({ status }) => status)

test('an end is told to the endpoints that want it, with a thin body and the same id at every try', async () => {
  const all = await hooks.create()
  const failures = await hooks.create({ events: ['job.failed'] })
  const named = await hooks.create({ events: [] })
  const off = await hooks.create({ enabled: false })
  const foreign = await hooks.create({}, 'other')
  let broken = true
  await hooks.deliver(({ id }) => {
    if (!broken || !id.endsWith(all.id)) return { type: 'answered', status: 200 }
    broken = false
    return { type: 'unreachable', reason: 'connection refused' }
  })
  await fleet.consume(async (claim) => completed(claim, 'the answer'))
  const job = await fleet.enqueue({ prompt: 'the prompt', metadata: { ticket: 'OPS-7' }, webhook: named.id })
  await hooks.requests(2)
  await expect.poll(() => statuses(all.id)).toEqual(['pending'])
  expect(await hooks.registry.deliveries(TENANT, all.id, 5)).toMatchObject([
    { job: job.id, type: 'job.completed', attempts: 1, error: 'connection refused' },
  ])
  await hooks.makeDue(all.id)
  const requests = await hooks.requests(3)
  const ids = requests.map(({ id }) => id)
  expect(ids.toSorted()).toEqual([all.id, all.id, named.id].map((id) => `${job.id}_completed_${id}`).sort())
  expect(new Set(requests.map(({ body }) => body)).size).toBe(1)
  const { finishedAt } = (await fleet.ended(job.id)) ?? {}
  const payload = webhookPayloadSchema.parse(JSON.parse(requests[0]?.body ?? ''))
  expect(payload).toEqual({
    type: 'job.completed',
    timestamp: new Date(finishedAt ?? 0).toISOString(),
    data: {
      id: job.id,
      state: 'completed',
      attempt: 1,
      costUsd: 0.25,
      createdAt: job.createdAt,
      finishedAt,
      metadata: { ticket: 'OPS-7' },
    },
  })
  expect(JSON.stringify(requests)).not.toMatch(/the prompt|the answer/)
  await expect.poll(() => statuses(all.id)).toEqual(['delivered'])

  const cancelled = await fleet.producer.enqueue({ tenant: TENANT, spec: specOf({ delayMs: 60_000 }) })
  await fleet.producer.cancel(TENANT, cancelled.job.id, 'no more')
  const last = (await hooks.requests(4)).slice(3)
  expect(last.map(({ id, body }) => [id, JSON.parse(body).type])).toEqual([
    [`${cancelled.job.id}_cancelled_${all.id}`, 'job.cancelled'],
  ])
  expect([await statuses(failures.id), await statuses(off.id)]).toEqual([[], []])
  const large = await fleet.enqueue({ delayMs: 60_000, metadata: { large: 'x'.repeat(20_000) } })
  await fleet.producer.cancel(TENANT, large.id, 'no more')
  const { data } = JSON.parse((await hooks.requests(5))[4]?.body ?? '{}') as { data: object }
  expect(data).toMatchObject({ id: large.id, state: 'cancelled' })
  expect(data).not.toHaveProperty('metadata')
  expect(await hooks.registry.deliveries('other', foreign.id, 5)).toEqual([])
  const { webhooks } = await fleet.admin.metrics()
  await expect.poll(async () => (await fleet.admin.metrics()).webhooks.pending).toBe(0)
  expect(webhooks).toMatchObject({ failed: 0, dropped: 0, requests: { failed: 1 } })
})

test('the end of a job whose worker died at the seal is told all the same', { timeout: 30_000 }, async () => {
  const { id } = await hooks.create()
  const job = await fleet.enqueue({ prompt: 'x' })
  const [, signal] = (await once(fork(CRASH, [server.url, fleet.prefix, 'seal | queue']), 'exit')) as [number, string]
  expect(signal).toBe('SIGKILL')
  expect(await statuses(id)).toEqual(['pending'])
  await hooks.deliver()
  expect((await hooks.requests(1)).map((request) => request.id)).toEqual([`${job.id}_completed_${id}`])
  await expect.poll(() => statuses(id)).toEqual(['delivered'])
})

test('what a courier was killed over is sent again by another, with the same id', { timeout: 30_000 }, async () => {
  const { id } = await hooks.create()
  const job = await fleet.enqueue({ delayMs: 60_000 })
  await fleet.producer.cancel(TENANT, job.id, 'no more')
  const child = fork(COURIER, [server.url, fleet.prefix, SECRET_KEY.toString('hex')])
  const [first] = (await once(child, 'message')) as [string]
  child.kill('SIGKILL')
  await once(child, 'exit')
  await hooks.deliver(undefined, { lockMs: 500, stalledMs: 200 })
  expect((await hooks.requests(1)).map((request) => request.id)).toEqual([first])
  await expect.poll(() => statuses(id)).toEqual(['delivered'])
})

test('a receiver that never answers delays no other, and a courier that stops leaves it to the next', async () => {
  const slow = await hooks.create({ url: 'https://slow.example/' })
  const quick = await hooks.create({ url: 'https://quick.example/' })
  const courier = await hooks.deliver(async ({ url }, signal) => {
    if (url.includes('quick')) return { type: 'answered', status: 200 }
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('cut'))))
    return { type: 'answered', status: 200 }
  })
  const count = 30
  await fleet.consume(async (claim) => completed(claim))
  for (let at = 0; at < count; at += 1) await fleet.enqueue()
  await expect.poll(async () => (await hooks.registry.get(TENANT, quick.id))?.pending, { timeout: 10_000 }).toBe(0)
  await expect.poll(async () => (await statuses(quick.id))?.filter((one) => one === 'delivered').length).toBe(20)
  const asked = hooks.sent.filter(({ url }) => url.includes('slow')).length
  expect([1, 2, 3, 4]).toContain(asked)
  await courier.stop(0)
  expect(await hooks.registry.get(TENANT, slow.id)).toMatchObject({ pending: count, failures: 0 })
})

test('what failed at every try is given up, and its endpoint disabled when nothing has reached it since', async () => {
  const { client, keys } = fleet
  const dead = await hooks.create({ url: 'https://dead.example/' })
  const odd = await hooks.create({ url: 'https://odd.example/' })
  const off = await hooks.create({ url: 'https://off.example/' })
  const { id: job } = await fleet.enqueue({ delayMs: 60_000 })
  await fleet.producer.cancel(TENANT, job, 'no more')
  for (const { id } of [dead, odd]) await client.hset(keys.delivery(`${job}_cancelled_${id}`), 'attempts', '9')
  await client.hset(keys.hook(odd.id), 'lastSuccessAt', String(Date.now() + 60_000))
  await hooks.registry.update(TENANT, off.id, { enabled: false })
  await hooks.deliver(() => ({ type: 'answered', status: 500 }))
  const { registry } = hooks
  await expect.poll(() => registry.get(TENANT, dead.id)).toMatchObject({ enabled: false, disabledReason: 'failing' })
  await expect.poll(() => statuses(odd.id)).toEqual(['failed'])
  expect(await registry.get(TENANT, odd.id)).toMatchObject({ enabled: true, pending: 0 })

  // A disabled endpoint keeps what waits, until it is too old to be of use.
  await hooks.makeDue(off.id)
  await expect.poll(async () => Number(await client.zscore(keys.hooksDue, off.id))).toBeGreaterThan(Date.now())
  expect(await statuses(off.id)).toEqual(['pending'])
  await client.hset(keys.delivery(`${job}_cancelled_${off.id}`), 'at', '1')
  await hooks.makeDue(off.id)
  await expect.poll(() => statuses(off.id)).toEqual(['failed'])
  expect(hooks.sent.filter(({ url }) => url.includes('off'))).toEqual([])
  expect((await fleet.admin.metrics()).webhooks).toMatchObject({ pending: 0, failed: 3, disabled: 1 })
})

test('410 disables an endpoint, a deleted one gets nothing more, and what fails in a row is asked rarely', async () => {
  const gone = await hooks.create({ url: 'https://gone.example/' })
  const deleted = await hooks.create({ url: 'https://deleted.example/' })
  const down = await hooks.create({ url: 'https://down.example/' })
  const cancelOne = async () => {
    const { id } = await fleet.enqueue({ delayMs: 60_000 })
    await fleet.producer.cancel(TENANT, id, 'no more')
  }
  for (let at = 0; at < 8; at += 1) await cancelOne()
  expect(await hooks.registry.remove(TENANT, deleted.id)).toBe(true)
  await hooks.deliver(({ url }) => ({ type: 'answered', status: url.includes('gone') ? 410 : 503 }))
  await expect.poll(() => hooks.registry.get(TENANT, gone.id)).toMatchObject({ enabled: false, disabledReason: 'gone' })
  await expect
    .poll(async () => (await hooks.registry.get(TENANT, down.id))?.failures, { timeout: 5_000 })
    .toBeGreaterThanOrEqual(4)
  await cancelOne()
  expect(hooks.sent.filter(({ url }) => url.includes('deleted'))).toEqual([])
  const asked = hooks.sent.filter(({ url }) => url.includes('gone')).length
  expect(asked).toBeLessThanOrEqual(4)
  expect(await hooks.registry.get(TENANT, gone.id)).toMatchObject({ pending: 8 - asked })
  expect(hooks.sent.filter(({ url }) => url.includes('down')).length).toBeLessThanOrEqual(6)
  expect(await hooks.registry.get(TENANT, deleted.id)).toBeUndefined()

  // Enabled again it goes on with what was left.
  await hooks.close()
  await hooks.registry.update(TENANT, gone.id, { enabled: true })
  await hooks.deliver()
  await expect.poll(() => hooks.registry.get(TENANT, gone.id)).toMatchObject({ pending: 0, enabled: true })
})
