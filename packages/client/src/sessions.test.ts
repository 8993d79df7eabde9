import { FleetError } from '@claude-fleet/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestFleet, startTestRedis } from './testing/fleet.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.stop())

const ROW = {
  type: 'user',
  sessionId: '5f0c7a7e-2c6f-4d0e-9f53-0a7c3f1d2b11',
  message: { role: 'user', content: 'Remember 7' },
}
const transcript = `${JSON.stringify(ROW)}\n`

async function errorOf(work: Promise<unknown>) {
  const error = await work.catch((reason: unknown) => reason)
  if (!(error instanceof FleetError)) throw new Error(`not a FleetError: ${String(error)}`)
  const errors = (error.details['errors'] ?? []) as { path: string }[]
  return { code: error.code, paths: errors.map(({ path }) => path) }
}

/** What both transports promise, word for word. */
describe.each(['http', 'redis'] as const)('over %s', (transport) => {
  test('a session is created, got, listed, continued, forked, exported, imported and closed', async () => {
    await using fleet = await openTestFleet(redis.url)
    await fleet.work()
    const client = await fleet.connect(transport)
    const { sessions } = client
    const made = await sessions.create({ model: 'opus', ttlMs: 60_000 }, { idempotencyKey: 'k' })
    expect(await sessions.create({ model: 'opus', ttlMs: 60_000 }, { idempotencyKey: 'k' })).toEqual(made)
    expect(await sessions.get(made.id)).toEqual(made)
    const session = client.session(made.id)
    const job = await session.enqueue('echo hi', { idempotencyKey: 'turn-1' })
    expect((await job.result()).text).toBe('hi')
    expect(await job.get()).toMatchObject({ session: made.id })
    expect(await session.get()).toMatchObject({ state: 'idle', turns: 1, queued: 0, worker: 'w1' })
    expect((await client.jobs({ session: made.id })).items.map(({ id }) => id)).toEqual([job.id])
    const fork = await session.fork({ permissionMode: 'dontAsk' })
    expect(await fork.get()).toMatchObject({ parent: made.id, turns: 1, options: { model: 'opus' } })
    expect(await session.export()).toBe('')
    const imported = await sessions.import({ transcript, model: 'opus' })
    expect(imported).toMatchObject({ turns: 1, options: { model: 'opus' } })
    expect(await sessions.export(imported.id)).toBe(transcript)
    const page = await sessions.list({ limit: 2 })
    const rest = await sessions.list({ limit: 2, cursor: page.nextCursor })
    const listed = [...page.items, ...rest.items].map(({ id }) => id)
    expect(listed.toSorted()).toEqual([made.id, fork.id, imported.id].toSorted())
    for (let times = 0; times < 2; times += 1) expect(await session.close()).toMatchObject({ state: 'closed' })
    expect((await sessions.list({ state: 'closed' })).items.map(({ id }) => id)).toEqual([made.id])
    expect(await errorOf(session.enqueue('echo hi'))).toEqual({ code: 'SESSION_CLOSED', paths: ['session'] })
    expect(await errorOf(session.fork())).toEqual({ code: 'SESSION_CLOSED', paths: ['fork'] })
  })

  test('what cannot be is refused before it is sent, each field named; what is not there is NOT_FOUND', async () => {
    await using fleet = await openTestFleet(redis.url)
    const client = await fleet.connect(transport)
    const { sessions } = client
    const bad = { cwd: '../x', prompt: 'p', labels: [''] } as never
    expect(await errorOf(sessions.create(bad))).toEqual({
      code: 'INVALID_REQUEST',
      paths: ['cwd', 'labels.0', 'prompt'],
    })
    expect(await errorOf(sessions.import({ transcript: 'x' }))).toMatchObject({ paths: ['transcript'] })
    const { id } = await sessions.create()
    const beside = client.enqueue({ prompt: 'p', session: id, model: 'opus' })
    expect(await errorOf(beside)).toEqual({ code: 'INVALID_REQUEST', paths: ['model'] })
    for (const other of [`s_${'a'.repeat(26)}`, 'x']) {
      const missing = client.session(other)
      for (const work of [missing.get(), missing.close(), missing.export(), missing.fork(), missing.enqueue('p')])
        expect(await errorOf(work)).toMatchObject({ code: 'NOT_FOUND' })
    }
  })
})
