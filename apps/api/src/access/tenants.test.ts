import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTenants, problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, QUIET, startTestApi } from '../testing/api.js'
import { startTestRedis } from '../testing/redis.js'
import { watchTenantsFile } from './tenants-file.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let folder: string
beforeAll(async () => {
  redis = await startTestRedis()
  folder = await mkdtemp(join(tmpdir(), 'tenants-'))
})
afterAll(async () => {
  await redis.stop()
  await rm(folder, { recursive: true })
})

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
const keys = `${keyEntry('acme', 'one')}\n${keyEntry('acme', 'two')}\n${keyEntry('beta', 'three')}`
const tenantsOf = (limits: object) => ({ file: join(folder, 'tenants'), limits: parseTenants(JSON.stringify(limits)) })

test('a tenant that has sent its requests of a minute gets 429 and when to come again, with every key; others are served', async () => {
  const tenants = tenantsOf({ acme: { requestsPerMinute: 3 } })
  await writeFile(tenants.file, '{"acme": {"requestsPerMinute": 3}}')
  await using api = await startTestApi(redis.url, { keys, settings: { tenants } })
  const ask = (key: string) => api.ask('/v1/jobs', { headers: bearer(key) })
  expect([(await ask('one')).status, (await ask('two')).status, (await ask('one')).status]).toEqual([200, 200, 200])
  const refused = await ask('two')
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
  expect(problemSchema.parse(await refused.json())).toMatchObject({ code: 'TOO_MANY_REQUESTS', retryable: true })
  expect((await ask('three')).status).toBe(200)
})

test('a full queue answers 429, a day whose money is spent 402; what was enqueued stays', async () => {
  const limits = { acme: { maxQueued: 2 }, beta: { dailyUsd: 0 } }
  const tenants = tenantsOf(limits)
  await writeFile(tenants.file, JSON.stringify(limits))
  await using api = await startTestApi(redis.url, { keys, settings: { tenants } })
  const post = (key: string, path: string, json: unknown) => api.ask(path, { json, headers: bearer(key) })
  const job = { prompt: 'p' }
  expect((await post('one', '/v1/jobs/batch', { jobs: [job, job, job] })).status).toBe(429)
  expect((await post('one', '/v1/jobs/batch', { jobs: [job, job] })).status).toBe(202)
  const full = await post('one', '/v1/jobs', job)
  expect([full.status, full.headers.get('retry-after')]).toEqual([429, '5'])
  const { items } = (await (await api.ask('/v1/jobs?state=waiting', { headers: bearer('one') })).json()) as {
    items: []
  }
  expect(items).toHaveLength(2)
  for (const [path, body] of [
    ['/v1/jobs', job],
    ['/v1/jobs/batch', { jobs: [job] }],
  ] as const) {
    const broke = await post('three', path, body)
    expect(broke.status).toBe(402)
    expect(Number(broke.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(problemSchema.parse(await broke.json())).toMatchObject({ code: 'MAX_BUDGET', retryable: false })
  }
})

test('the limits follow their file; a wrong one changes nothing, and it and a foreign one are told of', async () => {
  const tenants = tenantsOf({})
  await writeFile(tenants.file, '{}')
  const published: unknown[] = []
  let answer: 'same' | 'foreign' = 'same'
  const limits = {
    publish: async (found: ReadonlyMap<string, unknown>) => void published.push(Object.fromEntries(found)),
    compare: async () => answer,
  }
  const watched = await watchTenantsFile({ limits, log: QUIET }, { file: tenants.file, first: tenants.limits })
  try {
    await watched.look()
    expect([published, watched.fault()]).toEqual([[{}], undefined])
    await writeFile(tenants.file, '{"acme": {"maxQueued": -1}}')
    await watched.look()
    expect(watched.fault()).toContain('acme.maxQueued is below 0')
    await writeFile(tenants.file, '{"acme": {"maxQueued": 5}}')
    await watched.look()
    expect([published, watched.fault()]).toEqual([[{}, { acme: { maxQueued: 5 } }], undefined])
    answer = 'foreign'
    await watched.look()
    expect(watched.fault()).toContain('another process')
  } finally {
    watched.close()
  }
})
