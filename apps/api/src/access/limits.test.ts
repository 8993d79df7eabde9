import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { problemSchema } from '@claude-fleet/core'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi } from '../testing/api.js'
import { startTestRedis } from '../testing/redis.js'
import { createAllowance } from './allowance.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let folder: string
beforeAll(async () => {
  redis = await startTestRedis()
  folder = await mkdtemp(join(tmpdir(), 'keys-'))
})
afterAll(async () => {
  await redis.stop()
  await rm(folder, { recursive: true })
})

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

test('a key that is taken out of the file is let in no more, and its streams end; a wrong file changes nothing', async () => {
  const file = join(folder, 'keys')
  const both = `${keyEntry('acme', 'one')}\n${keyEntry('acme', 'two')}\n`
  await writeFile(file, both)
  const lines: string[] = []
  const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(chunk.toString()), done()) })
  await using api = await startTestApi(redis.url, {
    keys: both,
    settings: { keysFile: file },
    log: pino({ level: 'info' }, sink),
  })
  const said = (text: string) => expect.poll(() => lines.join(''), { timeout: 10_000 }).toContain(text)
  const ask = async (key: string, path = '/v1/jobs') => api.ask(path, { headers: bearer(key) })
  const made = await api.ask('/v1/jobs', { json: { prompt: 'p' }, headers: bearer('one') })
  const { id } = (await made.json()) as { id: string }
  const [mine, other] = [await ask('one', `/v1/jobs/${id}/events`), await ask('two', `/v1/jobs/${id}/events`)]
  const waiting = ask('one', `/v1/jobs/${id}/result?wait=60`)

  await writeFile(file, 'acme:nonsense')
  await said('cannot be used')
  expect((await ask('one')).status).toBe(200)

  await writeFile(`${file}.new`, `# nobody but two\n${keyEntry('acme', 'two')}\n${keyEntry('beta', 'three')}`)
  await rename(`${file}.new`, file)
  expect(await mine.text()).toContain('event: queued')
  expect((await waiting).status).toBe(401)
  expect((await ask('one')).status).toBe(401)
  expect([(await ask('two')).status, (await ask('three')).status]).toEqual([200, 200])

  await writeFile(file, '# none')
  expect(await other.text()).toContain('event: queued')
  expect((await ask('two')).status).toBe(401)
  expect(lines.join('')).not.toMatch(/nonsense|[0-9a-f]{64}/)
})

test('a key that asks too often or holds too many streams gets 429 and when to come again; others are served', async () => {
  const keys = `${keyEntry('acme', 'one')},${keyEntry('acme', 'two')}`
  await using api = await startTestApi(redis.url, { keys, settings: { limits: { requestsPerSecond: 5, streams: 2 } } })
  const ask = (key: string, path = '/v1/jobs') => api.ask(path, { headers: bearer(key) })
  const made = await api.ask('/v1/jobs', { json: { prompt: 'p' }, headers: bearer('two') })
  const { id } = (await made.json()) as { id: string }
  const replies = await Promise.all(Array.from({ length: 100 }, () => ask('one')))
  const refused = replies.filter(({ status }) => status === 429)
  expect(refused.length).toBeGreaterThan(50)
  expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(10)
  expect(problemSchema.parse(await refused[0]?.json())).toMatchObject({ code: 'TOO_MANY_REQUESTS', retryable: true })
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  const streams = [await ask('two', `/v1/jobs/${id}/events`), await ask('two', `/v1/jobs/${id}/events`)]
  const third = await ask('two', `/v1/jobs/${id}/events`)
  expect([third.status, third.headers.get('retry-after')]).toEqual([429, '5'])
  await streams[0]?.body?.cancel()
  await expect.poll(async () => (await ask('two', `/v1/jobs/${id}/events`)).status, { interval: 300 }).toBe(200)
})

test('over time a key gets its rate, and what it did not use is given for two seconds only', () => {
  let at = 0
  const allowance = createAllowance({ now: () => at }, { requestsPerSecond: 10, streams: 0 })
  const granted = (tries: number) => {
    let count = 0
    for (let one = 0; one < tries; one += 1) {
      try {
        allowance.request('k')
        count += 1
      } catch {
        // Refused.
      }
    }
    return count
  }
  expect(granted(100)).toBe(20)
  at += 1_000
  expect(granted(100)).toBe(10)
  at += 60_000
  expect(granted(100)).toBe(20)
  at += 250
  expect(granted(100)).toBe(2)
})
