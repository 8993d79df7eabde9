import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { problemSchema } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRawRedis } from '../support/raw-redis.js'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, startNode, type RunningProcess } from '../support/service.js'
import { createHostileTally } from './tally.js'

const KEY = 'the-key-of-acme'
const tally = createHostileTally('requests to the API')
let redis: PrivateRedis
let api: RunningProcess
let url: string
beforeAll(async () => {
  redis = await startRedis()
  const sha256 = createHash('sha256').update(KEY).digest('hex')
  api = startNode([CLAUDE_FLEET, 'api'], {
    env: { REDIS_URL: redis.url, FLEET_API_PORT: '0', FLEET_API_KEYS: `acme:${sha256}:enqueue+read+admin` },
  })
  url = await api.message((message) => (message as { url?: string }).url)
})
afterAll(async () => {
  tally.write()
  await api.stop()
  await redis.stop()
})

const JSON_TYPE = { 'content-type': 'application/json' }
const BEARER = { authorization: `Bearer ${KEY}` }
const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(url + path, { method: 'POST', body, headers: { ...BEARER, ...JSON_TYPE, ...headers } })

/** No prompt of these may become a job. */
const BODIES: readonly [what: string, status: number, body: string | Buffer, headers?: Record<string, string>][] = [
  ['nothing', 400, ''],
  ['no JSON', 400, '{'],
  ['null', 400, 'null'],
  ['a list', 400, '[]'],
  ['a number', 400, '7'],
  ['a text', 400, '"prompt"'],
  ['two values', 400, '{"prompt":"p"}{"prompt":"p"}'],
  ['bytes that are no UTF-8', 400, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ['200,000 levels', 400, `{"prompt":"p","metadata":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
  ['9 MiB', 413, JSON.stringify({ prompt: 'p', metadata: { a: 'x'.repeat(9 << 20) } })],
  ['a prompt over 1 MiB', 413, JSON.stringify({ prompt: 'x'.repeat((1 << 20) + 1) })],
  ['a prompt over 1 MiB in bytes alone', 413, JSON.stringify({ prompt: 'é'.repeat((1 << 19) + 1) })],
  ['text/plain', 415, '{"prompt":"p"}', { 'content-type': 'text/plain' }],
  ['a form', 415, 'prompt=p', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['UTF-16', 415, '{"prompt":"p"}', { 'content-type': 'application/json; charset=utf-16' }],
  ['an unknown encoding', 415, '{"prompt":"p"}', { 'content-encoding': 'snappy' }],
  ['gzip that is none', 400, '{"prompt":"p"}', { 'content-encoding': 'gzip' }],
  ['__proto__', 400, '{"prompt":"p","__proto__":{"admin":true}}'],
  ['constructor, deep', 400, '{"prompt":"p","metadata":{"constructor":"x"}}'],
  ['prototype in a schema', 400, '{"prompt":"p","outputSchema":{"type":"object","properties":{"prototype":{}}}}'],
]

/** Fields beside a prompt, or in its place. */
const FIELDS: readonly (readonly [field: string, value: unknown, status?: number])[] = [
  ...([undefined, '', null, 7, ['p'], { text: 'p' }, 'a\0b'] as const).map((value) => ['prompt', value] as const),
  ...['--settings=/x', '-p', 'a\nb', '../x', '', 7].map((value) => ['model', value] as const),
  ...['../../etc', '/etc', '~', '~root', 'a\0b', 'a/../../b', '..', 7].map((value) => ['cwd', value] as const),
  ...[
    'LD_PRELOAD',
    'BUN_OPTIONS',
    'NODE_OPTIONS',
    'PATH',
    'HOME',
    'ANTHROPIC_BASE_URL',
    'HTTPS_PROXY',
    'IS_SANDBOX',
  ].map((name) => ['env', { [name]: 'x' }] as const),
  ...['NODE_EXTRA_CA_CERTS', 'CLAUDE_CONFIG_DIR', 'GIT_SSH_COMMAND', 'BASH_ENV', 'ANYTHING'].map(
    (name) => ['env', { [name]: 'x' }] as const,
  ),
  ['env', { 'A=B': 'x' }],
  ['env', 'A=B'],
  ...['args', 'executable', 'mcpConfig', 'settings', 'pluginUrl', 'addDir', 'resume', 'tenant', 'id', 'mac'].map(
    (name) => [name, 'x'] as const,
  ),
  ['permissionMode', 'bypassPermissions', 403],
  ['permissionMode', 'root'],
  ['allowedTools', ['Read\nBash']],
  ['allowedTools', ['--dangerously-skip-permissions']],
  ['allowedTools', 'Bash'],
  ['credential', '../../etc/shadow'],
  ['credential', 'x'.repeat(1_000)],
  ['session', '../x'],
  ['session', 'a title'],
  ['webhook', '../x'],
  ...['timeoutMs', 'attempts', 'delayMs', 'priority', 'maxTurns', 'idleTimeoutMs', 'maxBudgetUsd'].flatMap((name) =>
    [-1, 1e18, '5', null, [1], {}].map((value) => [name, value] as const),
  ),
  ...['timeoutMs', 'attempts', 'maxTurns', 'priority'].map((name) => [name, 1.5] as const),
  ['metadata', { a: 7 }],
  ['metadata', { a: { b: 'c' } }],
  ['metadata', { a: 'x'.repeat(65 << 10) }],
  ['outputSchema', 'x'],
  ['backoff', { type: 'never' }],
]

async function answered(reply: Response, status: number): Promise<string | undefined> {
  const text = await reply.text()
  const problem = problemSchema.safeParse(parse(text))
  if (reply.status !== status) return `${reply.status}, not ${status}: ${text.slice(0, 200)}`
  if (!problem.success) return `no problem document: ${text.slice(0, 200)}`
  return /node_modules|\.js:\d|at \w+ \(|redis:\/\//.test(text) ? `it tells of the inside: ${text}` : undefined
}

test('each hostile body has its one answer, makes no job and tells nothing of the inside', async () => {
  const wrong: string[] = []
  const check = async (what: string, fault: string | undefined) => {
    tally.tried(fault === undefined)
    if (fault !== undefined) wrong.push(`${what}: ${fault}`)
  }
  for (const [what, status, body, headers] of BODIES) {
    await check(what, await answered(await post('/v1/jobs', body, headers), status))
    // A batch takes twice as much.
    if (status !== 413)
      await check(`${what}, batch`, await answered(await post('/v1/jobs/batch', body, headers), status))
  }
  for (const [field, value, status = 400] of FIELDS) {
    const job = { prompt: 'p', [field]: value }
    for (const [path, body] of [
      ['/v1/jobs', job],
      ['/v1/jobs/batch', { jobs: [{ prompt: 'p' }, job] }],
      ['/v1/schedules', { cron: '0 0 1 1 *', job }],
    ] as const) {
      await check(
        `${path} ${field} ${JSON.stringify(value)?.slice(0, 60)}`,
        await answered(await post(path, JSON.stringify(body)), status),
      )
    }
  }
  for (const key of ['', 'a'.repeat(256), 'a\tb', 'é', 'a'.repeat(7_000)]) {
    const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') }
    await check(`key ${key.slice(0, 20)}`, await answered(await post('/v1/jobs', '{"prompt":"p"}', headers), 400))
  }
  for (const id of [
    'meta',
    'id',
    'wait',
    'a:b:c',
    '0:1',
    '..%2f..',
    '__proto__',
    'j_',
    `j_${'A'.repeat(26)}`,
    '%00',
    '*',
  ]) {
    for (const suffix of ['', '/events', '/result']) {
      await check(id, await answered(await fetch(`${url}/v1/jobs/${id}${suffix}`, { headers: BEARER }), 404))
    }
  }
  for (const query of [
    'limit=0',
    'limit=1e9',
    'limit=-1',
    'state=x',
    'cursor=x',
    'session=..',
    'batch=*',
    'a=b',
    'limit=1&limit=2',
  ]) {
    await check(query, await answered(await fetch(`${url}/v1/jobs?${query}`, { headers: BEARER }), 400))
  }
  const none: Record<string, string>[] = [
    {},
    { authorization: 'Bearer x' },
    { 'x-api-key': `${KEY}x` },
    { cookie: KEY },
  ]
  for (const headers of none) {
    for (const path of ['/v1/jobs', '/v1/stats', '/v1/workers', '/v1/none']) {
      await check(`${path} without a key`, await answered(await fetch(url + path, { headers }), 401))
    }
  }
  expect(wrong).toEqual([])
  const { items } = (await (await fetch(`${url}/v1/jobs`, { headers: BEARER })).json()) as { items: unknown[] }
  expect(items).toEqual([])
  using raw = openRawRedis(redis.url)
  expect(await raw.call('LLEN', 'fleet:prompts:wait')).toBe(0)
})

test('a prompt that looks like a flag, an escape or a key of the queue is text, and comes back as it went', async () => {
  const prompts = [
    '--version',
    '-p',
    '--dangerously-skip-permissions',
    '/clear',
    '\u2028\ud83d\ude00\u001b[2J',
    '"><script>',
  ]
  for (const prompt of prompts) {
    const reply = await post('/v1/jobs', JSON.stringify({ prompt, metadata: { prompt } }), {
      'idempotency-key': 'meta' + prompts.indexOf(prompt),
    })
    const { metadata } = (await reply.json()) as { metadata: unknown }
    tally.tried(reply.status === 202)
    expect([reply.status, metadata]).toEqual([202, { prompt }])
  }
})

const HEAD = `Host: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\n`
const HIDDEN = `GET /v1/stats HTTP/1.1\r\n${HEAD}\r\n`
/** What is sent, and the statuses that may come back. A hidden request in it must not be answered. */
const WIRE: readonly [what: string, text: string, statuses: readonly number[]][] = [
  [
    'length and chunks',
    `POST /v1/jobs HTTP/1.1\r\n${HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    [400],
  ],
  [
    'chunks and length',
    `POST /v1/jobs HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${HIDDEN}`,
    [400],
  ],
  ['two lengths', `POST /v1/jobs HTTP/1.1\r\n${HEAD}Content-Length: 2\r\nContent-Length: 99\r\n\r\n{}${HIDDEN}`, [400]],
  ['a negative length', `POST /v1/jobs HTTP/1.1\r\n${HEAD}Content-Length: -1\r\n\r\n${HIDDEN}`, [400]],
  ['a length with a plus', `POST /v1/jobs HTTP/1.1\r\n${HEAD}Content-Length: +2\r\n\r\n{}${HIDDEN}`, [400]],
  [
    'chunks of another name',
    `POST /v1/jobs HTTP/1.1\r\n${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    [400],
  ],
  [
    'chunks twice',
    `POST /v1/jobs HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
    [400],
  ],
  [
    'a chunk of no size',
    `POST /v1/jobs HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n${HIDDEN}`,
    [400],
  ],
  ['a blank before the colon', `GET /v1/jobs HTTP/1.1\r\nHost : x\r\n\r\n`, [400]],
  ['a folded header', `GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c: d\r\n\r\n`, [400, 401]],
  ['a header of NUL', `GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-A: \0\r\n\r\n`, [400]],
  ['a bare line feed', `GET /v1/jobs HTTP/1.1\nHost: x\n\n`, [400, 401]],
  ['a bare return', `GET /v1/jobs HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n`, [400]],
  ['no host', `GET /v1/jobs HTTP/1.1\r\n\r\n`, [400]],
  ['two hosts', `GET /v1/jobs HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n`, [400, 401]],
  ['headers of 40 KB', `GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`, [431]],
  ['a path of 40 KB', `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, [431]],
  ['5,000 headers', `GET /v1/jobs HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(5_000)}\r\n`, [400, 401, 431]],
  ['a proxy', `CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n`, [405]],
  ['an address elsewhere', `GET http://evil.test/v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n`, [400, 401, 404]],
  ['TRACE', `TRACE /v1/jobs HTTP/1.1\r\n${HEAD}\r\n`, [405]],
  ['a method nobody knows', `FOO /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n`, [400]],
  ['another expectation', `POST /v1/jobs HTTP/1.1\r\n${HEAD}Expect: x\r\nContent-Length: 2\r\n\r\n{}`, [417]],
  ['HTTP/2 without asking', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`, [400, 505]],
  ['HTTP/9.9', `GET /v1/jobs HTTP/9.9\r\nHost: x\r\n\r\n`, [400, 505]],
  ['a TLS hello', '\u0016\u0003\u0001\u0002\0\u0001', [400]],
  ['nothing but noise', '\u0000\u0001\u0002\r\n\r\n', [400]],
]

function exchange(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let heard = ''
    let timer: NodeJS.Timeout | undefined
    // A reply that keeps the connection open has been heard when nothing follows it.
    const quiet = () => {
      clearTimeout(timer)
      timer = setTimeout(() => socket.destroy(), 300)
    }
    socket.on('data', (chunk: Buffer) => ((heard += chunk.toString('latin1')), quiet()))
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? undefined : reject(error)))
    socket.on('close', () => (clearTimeout(timer), resolve(heard)))
    socket.write(Buffer.from(text, 'latin1'))
  })
}

test('what is no plain HTTP is refused whole, and nothing that hides behind it is answered', async () => {
  const wrong: string[] = []
  await Promise.all(
    WIRE.map(async ([what, text, statuses]) => {
      const heard = await exchange(text)
      const replies = [...heard.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
      const right = replies.length === 1 && statuses.includes(replies[0] ?? 0) && !heard.includes('oldestWaitingMs')
      tally.tried(right)
      if (!right) wrong.push(`${what}: ${replies.join(' ')} ${heard.slice(0, 120)}`)
    }),
  )
  expect(wrong).toEqual([])
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('every reply carries the headers that keep browsers from using it otherwise', async () => {
  for (const path of ['/v1/jobs', '/healthz', '/docs', '/none', '/openapi.json']) {
    const { headers } = await fetch(url + path, { headers: { ...BEARER, origin: 'https://evil.test' } })
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': expect.stringMatching(/DENY|SAMEORIGIN/),
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringContaining('max-age='),
      'cross-origin-resource-policy': 'same-origin',
    })
    for (const name of ['access-control-allow-origin', 'x-powered-by', 'server', 'etag'])
      expect(headers.get(name)).toBeNull()
  }
})

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
