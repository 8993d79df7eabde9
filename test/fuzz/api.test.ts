import { createHash, randomBytes } from 'node:crypto'
import { readConformance, type Conformance } from '@claude-fleet/conformance'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRawRedis, type RawRedis } from '../support/raw-redis.js'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, startNode, type RunningProcess } from '../support/service.js'
import { anyJson, anyText, bent, bentBytes } from './input.js'
import { shaped, type JsonSchema } from './shaped.js'
import { fuzz, isLeftOut, titleOf, type FuzzTarget } from './target.js'

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  schema: JsonSchema
}
interface Operation {
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: JsonSchema; examples?: Record<string, { value: unknown }> }> }
}
interface Document {
  paths: Record<string, Record<string, Operation>>
}
interface Request {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer | string | undefined
  tenant: 'owner' | 'other'
}

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const KEYS = Object.fromEntries(
  ['owner', 'reader', 'other', 'writer'].map((name) => [name, randomBytes(16).toString('hex')]),
)
const WEBHOOK_KEY = randomBytes(32).toString('hex')
const JOB_KEY = randomBytes(32).toString('hex')
/** In everything that the owner has, and in no request of the other. */
const CANARY = `canary${randomBytes(8).toString('hex')}`
const SECRETS = [...Object.values(KEYS).flatMap((key) => [key, hash(key)]), WEBHOOK_KEY, JOB_KEY]

let redis: PrivateRedis
let raw: RawRedis
let api: RunningProcess
let url: string
let conformance: Conformance
let request: fc.Arbitrary<Request>
beforeAll(async () => {
  redis = await startRedis()
  raw = openRawRedis(redis.url)
  const scopes = { owner: 'enqueue+read+admin', reader: 'read', other: 'enqueue+read+admin', writer: 'enqueue' }
  const tenants = { owner: 'owner', reader: 'owner', other: 'other', writer: 'other' }
  const keys = (Object.keys(scopes) as (keyof typeof scopes)[]).map(
    (name) => `${tenants[name]}:${hash(KEYS[name] ?? '')}:${scopes[name]}`,
  )
  api = startNode([CLAUDE_FLEET, 'api'], {
    env: {
      REDIS_URL: redis.url,
      FLEET_API_PORT: '0',
      FLEET_API_KEYS: keys.join(','),
      FLEET_API_RATE: '0',
      FLEET_API_STREAMS: '0',
      FLEET_WEBHOOK_KEY: WEBHOOK_KEY,
      FLEET_WEBHOOK_ALLOW: '127.0.0.1',
      FLEET_JOB_KEY: JOB_KEY,
      FLEET_LOG_LEVEL: 'error',
    },
  })
  url = await api.message((message) => (message as { url?: string }).url)
  conformance = await readConformance(url)
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Document
  request = requestsOf(document, await things())
})
afterAll(async () => {
  raw[Symbol.dispose]()
  await api.stop()
  await redis.stop()
})

/** One of each kind, of the owner; their ids are what the other asks for. */
async function things(): Promise<string[]> {
  const job = { prompt: CANARY, metadata: { a: CANARY }, delayMs: 80_000_000 }
  const bodies: [path: string, body: object][] = [
    ['/v1/jobs', job],
    ['/v1/jobs', job],
    ['/v1/jobs/batch', { jobs: [{ ...job, customId: CANARY }] }],
    ['/v1/schedules', { name: CANARY, cron: '0 0 1 1 *', job }],
    ['/v1/sessions', { metadata: { a: CANARY } }],
    ['/v1/webhooks', { url: `http://127.0.0.1:9999/${CANARY}`, description: CANARY }],
  ]
  const ids: string[] = []
  for (const [path, body] of bodies) {
    const headers = { authorization: `Bearer ${KEYS['owner']}`, 'content-type': 'application/json' }
    const reply = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const { id } = (await reply.json()) as { id?: string }
    if (id === undefined) throw new Error(`${path} answered ${reply.status}`)
    ids.push(id)
  }
  return ids
}

/** How many things both tenants have. */
async function made(): Promise<number> {
  const lists = ['jobs', 'sessions', 'schedules', 'hooks'].flatMap((kind) => [
    `fleet:${kind}:owner`,
    `fleet:${kind}:other`,
  ])
  const counts = await Promise.all(lists.map((list) => raw.call('ZCARD', list)))
  return counts.reduce<number>((sum, count) => sum + Number(count), 0)
}

/** Any request to any call of the document, most of them nearly right. */
function requestsOf(document: Document, ids: readonly string[]): fc.Arbitrary<Request> {
  const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
  const credentials = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...Object.keys(KEYS)) },
    { weight: 1, arbitrary: fc.constantFrom('none', 'wrong') },
  )
  const one = ({ path, method, operation }: (typeof calls)[number]) => {
    const { parameters = [], requestBody } = operation
    const { schema, examples = {} } = requestBody?.content['application/json'] ?? {}
    const good = Object.values(examples).map((example) => fc.constant(example.value))
    const valuesOf = (place: Parameter['in']) =>
      fc.record(
        Object.fromEntries(
          parameters
            .filter((parameter) => parameter.in === place)
            .map(({ name, schema: of }) => [
              name,
              fc.oneof({ weight: 9, arbitrary: shaped(of, document).map(String) }, { weight: 1, arbitrary: anyText }),
            ]),
        ),
        { requiredKeys: [] },
      )
    const json = schema === undefined ? anyJson : bent(fc.oneof(shaped(schema, document), ...good))
    const text = json.map((value) => JSON.stringify(value))
    return fc
      .record({
        method: fc.oneof(
          { weight: 20, arbitrary: fc.constant(method) },
          { weight: 1, arbitrary: fc.constantFrom('PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'POST') },
        ),
        id: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ids) }, { weight: 1, arbitrary: anyText }),
        query: valuesOf('query'),
        more: fc.oneof(
          { weight: 12, arbitrary: fc.constant(null) },
          { weight: 1, arbitrary: fc.tuple(anyText, anyText) },
        ),
        headers: valuesOf('header'),
        // A call without a body is sent one now and then.
        body: fc.oneof(
          { weight: schema === undefined ? 0 : 8, arbitrary: text },
          { weight: schema === undefined ? 0 : 2, arbitrary: bentBytes(text.map((some) => Buffer.from(some))) },
          { weight: schema === undefined ? 12 : 1, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: anyText },
        ),
        type: fc.oneof(
          { weight: 20, arbitrary: fc.constant('application/json') },
          { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json; charset=utf-7', '', 'a/b;;;') },
        ),
        key: credentials,
      })
      .map((parts): Request => {
        const search = new URLSearchParams(Object.entries({ ...parts.query }) as [string, string][])
        if (parts.more !== null && path.startsWith('/v1/')) search.append(...parts.more)
        const key = KEYS[parts.key] ?? (parts.key === 'wrong' ? 'x' : undefined)
        const sent = ['GET', 'HEAD'].includes(parts.method) ? undefined : parts.body
        const headers = Object.entries({
          ...(parts.headers as Record<string, string>),
          ...(sent === undefined ? {} : { 'content-type': parts.type }),
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        }).filter(([, value]) => /^[\t\x20-\x7e]*$/.test(value))
        return {
          method: parts.method,
          path: path.replace(/\{\w+\}/, () => escaped(parts.id)) + (search.size > 0 ? `?${search.toString()}` : ''),
          headers: Object.fromEntries(headers),
          body: sent,
          tenant: parts.key === 'owner' || parts.key === 'reader' ? 'owner' : 'other',
        }
      })
  }
  return fc.oneof(...calls.map(one))
}

/** Lone surrogates have no bytes, so no address. */
function escaped(id: string): string {
  const text = encodeURIComponent(Buffer.from(id).toString())
  return /^\.{0,2}$/.test(text) ? '%2e' : text
}

const routes: FuzzTarget = { name: 'routes', share: 10, short: 120 }
test.skipIf(isLeftOut(routes))(
  `every call is answered as documented, never with 500, a secret, or what is of another tenant: ${titleOf(routes)}`,
  async () => {
    // What is counted are keys that there are.
    expect(await made()).toBeGreaterThan(5)
    const statuses = new Map<number, number>()
    const check = async ({ method, path, headers, body, tenant }: Request) => {
      const before = method === 'GET' ? 0 : await made()
      const abort = new AbortController()
      // A stream, or a wait for an end, goes on for ever: what came of it by then is judged.
      const timer = setTimeout(() => abort.abort(), /\/events|wait=/.test(path) ? 150 : 20_000)
      let heard = { status: 0, headers: new Headers(), text: '', cut: true }
      try {
        const reply = await fetch(url + path, {
          method,
          headers,
          signal: abort.signal,
          ...(body === undefined ? {} : { body }),
        })
        heard = { ...heard, status: reply.status, headers: reply.headers }
        if (/event-stream/.test(reply.headers.get('content-type') ?? '')) abort.abort()
        else heard = { ...heard, text: await reply.text(), cut: false }
      } catch (error) {
        // A reply that was heard in part, or waits for an end.
        if (!abort.signal.aborted) throw error
        if (heard.status === 0) expect(path).toMatch(/wait=|\/events/)
      } finally {
        clearTimeout(timer)
      }
      const { status, text, cut } = heard
      if (status === 0) return
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      expect(status).toBeLessThan(500)
      expect(text).not.toMatch(/node_modules|\.js:\d|at \w+ \(|redis:\/\//)
      for (const secret of SECRETS) expect(text).not.toContain(secret)
      if (tenant === 'other') expect(text).not.toContain(CANARY)
      const requestBody = typeof body === 'string' ? body : undefined
      const exchange = { method, url: path, requestBody, status, headers: heard.headers, body: text, cut }
      expect(conformance.faultsOf(exchange)).toEqual([])
      if (status >= 400 && method !== 'GET') expect(await made()).toBeLessThanOrEqual(before)
    }
    await fuzz(routes, request, check, { shrink: false })
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    // What was asked is not all nonsense.
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404]))
  },
)
