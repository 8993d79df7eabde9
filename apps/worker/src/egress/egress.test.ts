import { once } from 'node:events'
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClaudeSession, ExitFacts, SessionSpec } from '@claude-fleet/claude'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createEgress, type Egress } from './egress.js'

const KEY = 'sk-ant-api03-canary-of-the-egress'
const silent = () => {}
const warn = vi.fn<(about: object, text: string) => void>()
const log = { debug: silent, info: silent, warn, error: silent }
const { signal } = new AbortController()

let answer: (request: IncomingMessage, response: ServerResponse) => void
const api = createServer((request, response) => answer(request, response))
let base: string
let egress: Egress
beforeAll(async () => {
  await once(api.listen(0, '127.0.0.1'), 'listening')
  base = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  egress = await createEgress({ log }, { networkEnv: {} })
})
afterAll(async () => {
  await egress.close()
  api.closeAllConnections()
  await new Promise((resolve) => api.close(resolve))
})
beforeEach(() => {
  answer = (request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ url: request.url, headers: request.headers }))
  }
})

/** A session that has been started for `env`: what it was given, and how it ends. */
async function started(env: Record<string, string>) {
  let exit: (facts: ExitFacts) => void = () => {}
  const exited = new Promise<ExitFacts>((resolve) => (exit = resolve))
  let given: Record<string, string> = {}
  const start = egress.keyless(async (spec) => {
    given = { ...spec.env }
    return { exited } as ClaudeSession
  })
  await start({ env: { ANTHROPIC_BASE_URL: base, ...env } } as unknown as SessionSpec, signal)
  return {
    env: given,
    url: given['ANTHROPIC_BASE_URL'] ?? '',
    async end() {
      exit({ code: 0, signal: null, stderrTail: '' })
      await exited
    },
  }
}

interface Echo {
  url: string
  headers: Record<string, string>
}
const echo = async (url: string, headers: Record<string, string>) =>
  (await (await fetch(url, { method: 'POST', headers, body: '{}' })).json()) as Echo

test('claude gets a token of the form it knows each credential by, and the API gets the credential', async () => {
  const cases = [
    ['ANTHROPIC_API_KEY', /^sk-ant-api03-[\w-]{64}$/, 'x-api-key', ''],
    ['ANTHROPIC_AUTH_TOKEN', /^[\w-]{64}$/, 'authorization', 'Bearer '],
    ['CLAUDE_CODE_OAUTH_TOKEN', /^sk-ant-oat01-[\w-]{64}$/, 'authorization', 'Bearer '],
  ] as const
  for (const [name, form, header, scheme] of cases) {
    const { env, url } = await started({ [name]: KEY, ANTHROPIC_CUSTOM_HEADERS: `X-Team: ${KEY}-header` })
    expect(env[name]).toMatch(form)
    expect(JSON.stringify(env)).not.toContain(KEY)
    const seen = await echo(`${url}/v1/messages?beta=true`, { [header]: scheme + env[name] })
    expect(seen.url).toBe('/v1/messages?beta=true')
    expect(seen.headers).toMatchObject({ [header]: scheme + KEY, 'x-team': `${KEY}-header`, host: new URL(base).host })
    expect(JSON.stringify(seen)).not.toContain(env[name])
  }
})

test('a token is good for its own process and no longer than that, and for nothing but the paths of the API', async () => {
  const [one, other] = [await started({ ANTHROPIC_API_KEY: KEY }), await started({ ANTHROPIC_API_KEY: `${KEY}-2` })]
  const statusOf = async (path: string, key = '') =>
    new Promise<number | undefined>((resolve, reject) => {
      // Not fetch, which would tidy the path.
      ask(one.url, { path, headers: { 'x-api-key': key } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
  const key = one.env['ANTHROPIC_API_KEY'] ?? ''
  expect(await statusOf('/v1/models', key)).toBe(200)
  for (const path of [
    '/',
    '/v2/x',
    '/v1',
    '/v1/../admin',
    '/v1/%2e%2e/admin',
    '/v1/..%2fadmin',
    '/v1/\\..\\x',
    `${base}/v1/x`,
  ]) {
    expect([path, await statusOf(path, key)]).toEqual([path, 404])
  }
  for (const wrong of ['', KEY, `${key}x`, key.slice(0, -1)]) expect(await statusOf('/v1/models', wrong)).toBe(401)
  expect(other.env['ANTHROPIC_API_KEY']).not.toBe(key)
  await one.end()
  expect(await statusOf('/v1/models', key)).toBe(401)
  expect(await statusOf('/v1/models', other.env['ANTHROPIC_API_KEY'])).toBe(200)
})

test('pieces pass as they come, and whoever goes away takes the other side along', async () => {
  const { env, url } = await started({ ANTHROPIC_API_KEY: KEY })
  const headers = { 'x-api-key': env['ANTHROPIC_API_KEY'] ?? '' }
  let upstream: ServerResponse | undefined
  answer = (request, response) => {
    request.resume()
    upstream = response
    response.flushHeaders()
  }
  const leave = new AbortController()
  const reply = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: '{}', signal: leave.signal })
  const reader = reply.body?.getReader()
  for (const piece of ['one', 'two']) {
    upstream?.write(piece)
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(piece)
  }
  const closed = once(upstream as ServerResponse, 'close')
  leave.abort()
  await closed

  const cut = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: '{}' })
  upstream?.write('half')
  const rest = cut.text()
  upstream?.destroy()
  await expect(rest).rejects.toThrow('terminated')
})

test('an API that cannot be reached is a connection that breaks, not an answer; the log names its host and no key', async () => {
  warn.mockClear()
  const { env, url } = await started({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' })
  await expect(echo(`${url}/v1/messages`, { 'x-api-key': env['ANTHROPIC_API_KEY'] ?? '' })).rejects.toThrow(
    'fetch failed',
  )
  await vi.waitFor(() =>
    expect(warn).toHaveBeenCalledWith(expect.objectContaining({ host: '127.0.0.1:1' }), expect.any(String)),
  )
  expect(JSON.stringify(warn.mock.calls)).not.toContain(KEY)
})

test('what signs requests itself is left as it is, and an address that could be anything gets no key', async () => {
  const cloud = { CLAUDE_CODE_USE_BEDROCK: '1', AWS_SECRET_ACCESS_KEY: KEY }
  expect((await started(cloud)).env).toEqual({ ANTHROPIC_BASE_URL: base, ...cloud })
  expect((await started({ HOME: '/x' })).env).toEqual({ ANTHROPIC_BASE_URL: base, HOME: '/x' })
  for (const wrong of ['file:///etc', 'http://user:word@127.0.0.1', 'nowhere']) {
    await expect(started({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: wrong })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
  }
  const { env } = await started({ ANTHROPIC_API_KEY: KEY, HTTPS_PROXY: 'http://proxy:1', NO_PROXY: 'a.example' })
  expect(env).toMatchObject({ NO_PROXY: 'a.example,127.0.0.1', no_proxy: 'a.example,127.0.0.1' })
})
