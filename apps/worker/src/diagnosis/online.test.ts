import { createServer } from 'node:http'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { startSimulator } from '@claude-fleet/simulator'
import { expect, onTestFinished, test } from 'vitest'
import { askApi } from './online.js'

const KEY = 'sk-canary-of-online'
const ask = (env: Record<string, string>, networkEnv: Record<string, string> = {}) =>
  askApi({ name: 'team', env, tenants: undefined }, { networkEnv, signal: AbortSignal.timeout(20_000) })

/** An API that answers every request with this status, or not at all, and keeps what it was asked. */
async function startApi(status: number | undefined): Promise<{ url: string; asked: Record<string, unknown>[] }> {
  const asked: Record<string, unknown>[] = []
  const server = createServer((request, response) => {
    asked.push({ path: request.url, ...request.headers })
    if (status !== undefined) response.writeHead(status, { location: 'http://127.0.0.1:1/elsewhere' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('a key that the API takes is told from one that it does not, without a turn', async () => {
  const model = await startSimulator({ keys: [KEY] })
  onTestFinished(() => model.close())
  const good = await ask({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: model.url })
  expect(good).toEqual({ name: 'credentials.team.online', status: 'ok', found: `accepted by 127.0.0.1:${model.port}` })
  const bad = await ask({ ANTHROPIC_AUTH_TOKEN: `${KEY}-2`, ANTHROPIC_BASE_URL: model.url })
  expect(bad).toMatchObject({ status: 'fail', found: `refused by 127.0.0.1:${model.port} (HTTP 401)` })
  expect(JSON.stringify([good, bad])).not.toContain('canary')
  expect(model.ledger.entries()).toEqual([])
})

test('it signs in as claude does: key and token together, OAuth only without either, own headers too', async () => {
  const { url, asked } = await startApi(200)
  const base = { ANTHROPIC_BASE_URL: `${url}/gateway/` }
  await ask({
    ...base,
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_AUTH_TOKEN: 't',
    ANTHROPIC_CUSTOM_HEADERS: 'X-Team: blue\nbad',
  })
  await ask({ ...base, ANTHROPIC_API_KEY: 'k', CLAUDE_CODE_OAUTH_TOKEN: 'o' })
  await ask({ ...base, CLAUDE_CODE_OAUTH_TOKEN: 'o' })
  expect(asked.map((one) => [one['x-api-key'], one['authorization'], one['anthropic-beta']])).toEqual([
    ['k', 'Bearer t', undefined],
    ['k', undefined, undefined],
    [undefined, 'Bearer o', 'oauth-2025-04-20'],
  ])
  expect(asked[0]).toMatchObject({ path: '/gateway/v1/models?limit=1', 'x-team': 'blue' })
})

test.each([
  [307, 'warn'],
  [404, 'warn'],
  [403, 'fail'],
  [529, 'warn'],
])('HTTP %i is a %s, and a redirect is not followed', async (status, expected) => {
  const { url } = await startApi(status)
  const check = await ask({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: url })
  expect(check).toMatchObject({ status: expected, found: expect.stringContaining(`HTTP ${status}`) })
})

test('an API that is away or does not answer is said within the deadline, with no word of the key', async () => {
  const silent = await startApi(undefined)
  const checks = await Promise.all([
    ask({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: silent.url }),
    ask({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' }),
    ask({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: `http://user:${KEY}@127.0.0.1:9` }),
    ask({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: KEY }),
    ask({ CLAUDE_CODE_USE_BEDROCK: '1' }),
  ])
  expect(checks.map(({ status }) => status)).toEqual(['fail', 'fail', 'skipped', 'fail', 'skipped'])
  expect(checks[0]?.found).toContain('no answer within 6 s')
  expect(JSON.stringify(checks)).not.toContain(KEY)
}, 20_000)

test('it goes through the proxy that is set, unless NO_PROXY names the host', async () => {
  const { url } = await startApi(200)
  const through: string[] = []
  const proxy = createServer().on('connect', (request, client) => {
    through.push(request.url ?? '')
    const [host = '', port] = (request.url ?? '').split(':')
    const server = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    for (const socket of [client, server]) socket.on('error', () => {})
  })
  proxy.on('request', (request, response) => {
    through.push(request.url ?? '')
    response.writeHead(200).end()
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(async () => {
    proxy.closeAllConnections()
    proxy.close()
    await once(proxy, 'close')
  })
  const HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: url }
  expect((await ask(env, { HTTP_PROXY })).status).toBe('ok')
  expect(through).toHaveLength(1)
  expect((await ask(env, { HTTP_PROXY, NO_PROXY: '127.0.0.1' })).status).toBe('ok')
  expect(through).toHaveLength(1)
})
