import { createConformance, type Exchange } from '@claude-fleet/conformance'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKeyRing } from '../access/keys.js'
import { createApp } from '../app.js'
import { OPERATIONS } from '../routes/service.js'
import { QUIET, startTestApi, type TestApi } from '../testing/api.js'
import { CONTRACT, STATS_ROWS } from '../testing/contract.js'
import { startTestRedis } from '../testing/redis.js'
import { createDocument, type DocumentedResponse, type OpenApiDocument } from './document.js'
import { errorCodesOf } from './operation.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let api: TestApi
let document: OpenApiDocument
beforeAll(async () => {
  redis = await startTestRedis()
  api = await startTestApi(redis.url)
  document = (await (await api.ask('/openapi.json')).json()) as OpenApiDocument
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await redis.stop()
})

const documentedCalls = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ call: `${method.toUpperCase()} ${path}`, operation })),
  )

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  expect(await validator.validate({ ...structuredClone(document) })).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
  const broken = await new Validator().validate({ ...structuredClone(document), paths: { jobs: {} } })
  expect(broken.valid).toBe(false)
})

test('every call and every answer of the contract is in the document, and no other call', () => {
  const documented = new Map(documentedCalls().map(({ call, operation }) => [call, operation]))
  expect([...documented.keys()].sort()).toEqual(Object.keys(CONTRACT).sort())
  for (const [call, statuses] of Object.entries(CONTRACT)) {
    const told = Object.keys(documented.get(call)?.responses ?? {}).map(Number)
    expect({ call, missing: statuses.filter((status) => !told.includes(status)) }).toEqual({ call, missing: [] })
  }
})

test('what express serves and what is documented are the same', () => {
  const app = createApp(
    { ring: createKeyRing([]), ready: async () => undefined, log: QUIET } as unknown as Parameters<typeof createApp>[0],
    { policy: api.settings.policy, pingMs: 1_000, stallMs: 1_000 },
  )
  const served = app.router.stack.flatMap(({ route }) =>
    route === undefined ? [] : route.stack.map((layer) => `${layer.method?.toUpperCase() ?? 'ALL'} ${route.path}`),
  )
  const calls = served.filter((call) => !call.startsWith('ALL ') && !call.startsWith('OPTIONS '))
  const documented = documentedCalls().map(({ call }) => call.replaceAll(/\{(\w+)\}/g, ':$1'))
  expect([...new Set(calls)].sort()).toEqual(documented.sort())
})

test('every example is one that its schema allows, of requests and of replies', () => {
  const conformance = createConformance(document)
  const faults = documentedCalls().flatMap(({ call, operation }) => {
    const [method = '', template = ''] = call.split(' ')
    const url = template.replace('{id}', `j_${'a'.repeat(26)}`)
    const bodies = Object.values(operation.requestBody?.content['application/json']?.examples ?? { none: undefined })
    return Object.entries(operation.responses).flatMap(([status, entry]) =>
      bodies.flatMap((body) =>
        conformance.faultsOf({
          method,
          url,
          requestBody: body === undefined ? undefined : JSON.stringify(body.value),
          status: Number(status),
          ...exampleReply('$ref' in entry ? componentOf(entry.$ref) : entry),
        }),
      ),
    )
  })
  expect(faults).toEqual([])
})

test('calls want the scopes that the table says, and those that need no key say so', () => {
  for (const { operation } of documentedCalls()) {
    const { scope } = OPERATIONS[operation.operationId] ?? {}
    expect(operation.security).toEqual(scope === undefined ? [{}] : [{ bearer: [scope] }, { apiKey: [scope] }])
    expect('401' in operation.responses).toBe(scope !== undefined)
  }
  expect(errorCodesOf(OPERATIONS['enqueueJob']!)).toContain('IDEMPOTENCY_MISMATCH')
})

test('the figures have every row of the contract', () => {
  expect(document.components.schemas['Stats']?.['required']).toEqual(STATS_ROWS)
})

test('a reply that was made up is refused', () => {
  const conformance = createConformance(createDocument(OPERATIONS, '1'))
  const good: Exchange = {
    method: 'GET',
    url: '/v1/workers',
    status: 200,
    headers: new Headers({ 'content-type': 'application/json', 'request-id': 'r' }),
    body: '{"items":[]}',
  }
  const faultsOf = (change: Partial<Exchange>) => conformance.faultsOf({ ...good, ...change }).join('; ')
  expect(faultsOf({})).toBe('')
  expect(faultsOf({ status: 418 })).toMatch(/status 418, documented: 200, 400/)
  expect(faultsOf({ body: '{"items":[],"total":0}' })).toMatch(/additional properties \(total\)/)
  expect(faultsOf({ body: '{}' })).toMatch(/required property 'items'/)
  expect(faultsOf({ body: 'none' })).toMatch(/must be object/)
  expect(faultsOf({ headers: new Headers({ 'content-type': 'application/json' }) })).toMatch(/request-id is missing/)
  expect(faultsOf({ headers: new Headers({ 'content-type': 'text/html', 'request-id': 'r' }) })).toMatch(/text\/html/)
  expect(faultsOf({ url: '/v1/nothing' })).toMatch(/does not have this call/)
  expect(faultsOf({ method: 'PUT' })).toMatch(/does not have this call/)
  expect(faultsOf({ url: '/v1/workers?all=1' })).toMatch(/query all was taken/)
  const sse = {
    'content-type': 'text/event-stream',
    'request-id': 'r',
    'cache-control': 'x',
    'x-accel-buffering': 'no',
  }
  const stream = { url: `/v1/jobs/j_${'a'.repeat(26)}/events`, headers: new Headers(sse) }
  expect(faultsOf({ ...stream, body: ': ping\n\nid: 1\nevent: text\ndata: {"seq":1,"type":"text"}\n\n' })).toMatch(
    /event text 1: .*must have required property 'jobId'/,
  )
  expect(faultsOf({ ...stream, body: 'hello\n\n' })).toMatch(/neither event nor ping/)
})

function componentOf(ref: string): DocumentedResponse {
  const found = document.components.responses[ref.split('/').at(-1) ?? '']
  if (found === undefined) throw new Error(`${ref} is nowhere`)
  return found
}

function exampleReply({ headers = {}, content = {} }: DocumentedResponse): Pick<Exchange, 'headers' | 'body'> {
  const [type, media] = Object.entries(content)[0] ?? []
  const given = new Headers(type === undefined ? {} : { 'content-type': type })
  const examples = document.components.headers as Record<string, { example: string | number }>
  for (const name of Object.keys(headers)) given.set(name, String(examples[name]?.example))
  const example = media?.example ?? Object.values(media?.examples ?? {})[0]?.value ?? ''
  return { headers: given, body: typeof example === 'string' ? example : JSON.stringify(example) }
}
