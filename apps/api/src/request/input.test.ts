import { problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../testing/api.js'
import { startTestRedis } from '../testing/redis.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let api: TestApi
beforeAll(async () => {
  redis = await startTestRedis()
  api = await startTestApi(redis.url)
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await redis.stop()
})

const MIB = 1_048_576
const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const job = (fields: object) => JSON.stringify({ prompt: 'p', ...fields })

/** What is sent, the status of the answer, and the field it names (empty: the body as a whole). */
const BAD_BODIES: [name: string, body: string | Uint8Array, status: number, path: string][] = [
  ['nothing', '', 400, ''],
  ['not JSON', '{"prompt":', 400, ''],
  ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, ''],
  ['null', 'null', 400, ''],
  ['a number', '1', 400, ''],
  ['a string', '"prompt"', 400, ''],
  ['an array', '[{"prompt":"p"}]', 400, ''],
  ['own __proto__', '{"prompt":"p","__proto__":{"a":1}}', 400, '__proto__'],
  ['constructor below', '{"prompt":"p","metadata":{"constructor":"x"}}', 400, 'metadata.constructor'],
  [
    'prototype in an array',
    '{"prompt":"p","outputSchema":{"anyOf":[{"prototype":1}]}}',
    400,
    'outputSchema.anyOf.0.prototype',
  ],
  ['100 levels', `{"prompt":"p","outputSchema":${deep(100)}}`, 400, `outputSchema${'.a'.repeat(63)}`],
  ['100,000 levels', `{"prompt":"p","outputSchema":${deep(100_000)}}`, 400, `outputSchema${'.a'.repeat(63)}`],
  ['no prompt', '{}', 400, 'prompt'],
  ['an empty prompt', '{"prompt":""}', 400, 'prompt'],
  ['a prompt of white space', '{"prompt":" \\n\\t "}', 400, 'prompt'],
  ['a prompt with NUL', '{"prompt":"a\\u0000b"}', 400, 'prompt'],
  ['a prompt that is a number', '{"prompt":5}', 400, 'prompt'],
  ['a prompt of 1 MiB and a byte', job({ prompt: 'a'.repeat(MIB + 1) }), 413, 'prompt'],
  ['a prompt over 1 MiB only as UTF-8', job({ prompt: 'é'.repeat(MIB / 2 + 1) }), 413, 'prompt'],
  ['an unknown field', job({ args: ['--settings=/x'] }), 400, 'args'],
  ['an unknown field below', job({ backoff: { type: 'fixed', times: 3 } }), 400, 'backoff.times'],
  ['a session that is no id', job({ session: 'latest' }), 400, 'session'],
  ['cwd absolute', job({ cwd: '/etc' }), 400, 'cwd'],
  ['cwd above', job({ cwd: 'a/../../b' }), 400, 'cwd'],
  ['cwd home', job({ cwd: '~/x' }), 400, 'cwd'],
  ['a model that is a flag', job({ model: '--settings=/x' }), 400, 'model'],
  ['an empty tool rule', job({ allowedTools: [''] }), 400, 'allowedTools.0'],
  ['a tool rule that is a flag', job({ disallowedTools: ['Read', '--x'] }), 400, 'disallowedTools.1'],
  ['an unknown permission mode', job({ permissionMode: 'yolo' }), 400, 'permissionMode'],
  ['a permission mode not listed', job({ permissionMode: 'bypassPermissions' }), 403, 'permissionMode'],
  ['a variable not listed', job({ env: { LD_PRELOAD: '/x' } }), 400, 'env.LD_PRELOAD'],
  ['a variable with a bad name', job({ env: { 'A B': '1' } }), 400, 'env.A B'],
  ['a variable that is a number', job({ env: { LANG: 1 } }), 400, 'env.LANG'],
  ['a credential path', job({ credential: '../../etc/shadow' }), 400, 'credential'],
  ['maxTurns 0', job({ maxTurns: 0 }), 400, 'maxTurns'],
  ['maxTurns of a half', job({ maxTurns: 1.5 }), 400, 'maxTurns'],
  ['a budget below 0', job({ maxBudgetUsd: -1 }), 400, 'maxBudgetUsd'],
  ['timeoutMs too short', job({ timeoutMs: 999 }), 400, 'timeoutMs'],
  ['timeoutMs too long', job({ timeoutMs: 86_400_001 }), 400, 'timeoutMs'],
  ['timeoutMs as text', job({ timeoutMs: '5000' }), 400, 'timeoutMs'],
  ['attempts 11', job({ attempts: 11 }), 400, 'attempts'],
  ['priority -1', job({ priority: -1 }), 400, 'priority'],
  ['delayMs null', job({ delayMs: null }), 400, 'delayMs'],
  ['metadata that is not flat', job({ metadata: { a: { b: 'c' } } }), 400, 'metadata.a'],
  ['jitter 2', job({ backoff: { jitter: 2 } }), 400, 'backoff.jitter'],
  ['an output schema that is a list', job({ outputSchema: [] }), 400, 'outputSchema'],
]

test.each(BAD_BODIES)('a body of %s is refused and the field named', async (_name, body, status, path) => {
  const headers = { 'content-type': 'application/json' }
  const reply = await api.ask('/v1/jobs', { method: 'POST', headers, body })
  expect(reply.status).toBe(status)
  expect(reply.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  const problem = problemSchema.parse(await reply.json())
  expect(problem).toMatchObject({ status, retryable: false, requestId: reply.headers.get('request-id') })
  expect(problem.errors?.map((fault) => fault.path)).toContain(path)
})

test('a refused body leaves no job behind, and its text is not in the answer', async () => {
  const reply = await api.ask('/v1/jobs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"prompt":"canary',
  })
  expect(await reply.text()).not.toContain('canary')
  expect(await (await api.ask('/v1/jobs')).json()).toEqual({ items: [] })
})

test.each([
  ['text/plain', 415],
  ['application/x-www-form-urlencoded', 415],
  ['application/json; charset=utf-16', 415],
  ['application/json;charset=UTF-8', 202],
])('a body of type %s is answered %i', async (type, status) => {
  const reply = await api.ask('/v1/jobs', { method: 'POST', headers: { 'content-type': type }, body: job({}) })
  expect(reply.status).toBe(status)
})

test('a body over 8 MiB is 413, also when it was packed small', async () => {
  const { gzipSync } = await import('node:zlib')
  const body = job({ systemPrompt: 'a'.repeat(8 * MIB) })
  for (const [bytes, encoding] of [
    [body, 'identity'],
    [gzipSync(body), 'gzip'],
  ] as const) {
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding }
    const reply = await api.ask('/v1/jobs', { method: 'POST', headers, body: bytes })
    expect(reply.status).toBe(413)
    expect(problemSchema.parse(await reply.json()).code).toBe('PAYLOAD_TOO_LARGE')
  }
})

test('a batch with one bad job enqueues none and names the job', async () => {
  const before = await (await api.ask('/v1/jobs')).json()
  const jobs = [{ prompt: 'a' }, { prompt: 'b', env: { PATH: '/x' } }, { prompt: 'c' }]
  const reply = await api.ask('/v1/jobs/batch', { json: { jobs } })
  expect(reply.status).toBe(400)
  expect(problemSchema.parse(await reply.json()).errors).toMatchObject([{ path: 'jobs.1.env.PATH' }])
  expect(await (await api.ask('/v1/jobs')).json()).toEqual(before)
})

test.each(['limit=0', 'limit=101', 'state=running', 'cursor=x', 'batch=1', 'page=2'])(
  'a list asked with %s is refused and the parameter named',
  async (query) => {
    const reply = await api.ask(`/v1/jobs?${query}`)
    expect(reply.status).toBe(400)
    expect(problemSchema.parse(await reply.json()).errors).toMatchObject([{ path: query.split('=')[0] }])
  },
)

test.each([
  ['--version', '--version'],
  ['line separators and escapes', '\u2028\u001b[31m\ud83d\ude00'],
  ['1 MiB exactly', 'a'.repeat(MIB)],
])('a prompt of %s is accepted', async (_name, prompt) => {
  expect((await api.ask('/v1/jobs', { json: { prompt } })).status).toBe(202)
})
