import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyAudit } from '@claude-fleet/http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi } from '../testing/api.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let folder: string
beforeAll(async () => {
  redis = await startTestRedis()
  folder = await mkdtemp(join(tmpdir(), 'audit-'))
})
afterAll(async () => {
  await redis.stop()
  await rm(folder, { recursive: true })
})

test('who did what is written line by line, without keys and prompts', async () => {
  const file = join(folder, 'audit')
  const keys = [keyEntry('acme', 'writer', 'enqueue+read'), keyEntry('acme', 'reader', 'read')]
  const api = await startTestApi(redis.url, { keys: keys.join(','), settings: { auditLog: file } })
  const ask = (key: string, path: string, init: Parameters<typeof api.ask>[1] = {}) =>
    api.ask(path, { ...init, headers: { authorization: `Bearer ${key}`, 'x-request-id': 'my-id' } })
  const made = await ask('writer', '/v1/jobs', { json: { prompt: 'canary-prompt' } })
  const { id } = (await made.json()) as { id: string }
  const batch = await ask('writer', '/v1/jobs/batch', { json: { jobs: [{ prompt: 'canary-prompt' }] } })
  const { id: batchId } = (await batch.json()) as { id: string }
  await ask('reader', `/v1/jobs/${id}`)
  await ask('reader', `/v1/jobs/${id}`, { method: 'DELETE' })
  await ask('writer', `/v1/jobs/${id}`, { method: 'DELETE' })
  await ask('writer', `/v1/jobs/${id}/retry`, { method: 'POST' })
  await ask('nobody', '/v1/jobs')
  await api[Symbol.asyncDispose]()

  const text = await readFile(file, 'utf8')
  const lines = text.trim().split('\n')
  expect((await verifyAudit(lines)).faults).toEqual([])
  const [writer, reader] = keys.map((key) => `k_${key.split(':')[1]?.slice(0, 12)}`)
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { action: 'enqueueJob', who: writer, tenant: 'acme', made: id, status: 202, requestId: 'my-id' },
    { action: 'enqueueBatch', who: writer, made: batchId, status: 202 },
    { action: 'getJob', who: reader, target: id, status: 200, from: expect.stringContaining('127.0.0.1') },
    { action: 'cancelJob', who: reader, target: id, status: 403 },
    { action: 'cancelJob', who: writer, target: id, status: 202 },
    { action: 'retryJob', who: writer, target: id, status: 202, made: expect.stringMatching(/^j_/) },
  ])
  expect(text).not.toMatch(/canary|writer|reader|nobody/)
})
