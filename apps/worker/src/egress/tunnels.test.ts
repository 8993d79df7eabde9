import { once } from 'node:events'
import { createServer as createHttpServer, request } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { ClaudeSession, ExitFacts, SessionSpec } from '@claude-fleet/claude'
import { parseEgressHost } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { createEgress, type Egress } from './egress.js'

const silent = () => {}
const warn = vi.fn<(about: object, text: string) => void>()
const log = { debug: silent, info: silent, warn, error: silent }
const { signal } = new AbortController()

/** Says back what it hears. */
const echo = createServer((socket) => void socket.on('error', silent).pipe(socket))
let port: number
let egress: Egress
const onRefused = vi.fn<() => void>()
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  await once(echo.listen(0, '127.0.0.1'), 'listening')
  port = (echo.address() as AddressInfo).port
  egress = await open(`127.0.0.1:${port},acme=localhost:${port},acme=127.0.0.1:1`)
})
afterEach(() => onRefused.mockClear())
afterAll(async () => {
  for (const close of closers) await close()
  await new Promise((resolve) => echo.close(resolve))
})

async function open(hosts: string, networkEnv: Record<string, string> = {}): Promise<Egress> {
  const egressHosts = hosts.split(',').map((text) => parseEgressHost(text) ?? { tenant: 'none', host: '', port: 1 })
  const opened = await createEgress({ log, onRefused }, { networkEnv, egressHosts })
  closers.push(() => opened.close())
  return opened
}

/** What a process of a tenant was given, and how it ends. */
async function started(tenant: string, env: Record<string, string> = {}, from = egress) {
  let exit: (facts: ExitFacts) => void = silent
  const exited = new Promise<ExitFacts>((resolve) => (exit = resolve))
  let given: Record<string, string> = {}
  const start = from.keyless(async (spec) => {
    given = { ...spec.env }
    return { exited } as ClaudeSession
  })
  await start({ tenant, env } as unknown as SessionSpec, signal)
  return {
    env: given,
    proxy: new URL(given['HTTPS_PROXY'] ?? ''),
    end: () => exit({ code: 0, signal: null, stderrTail: '' }),
  }
}

interface Asked {
  status: number | undefined
  socket: Socket | undefined
}
async function ask(proxy: URL, path: string, token = `${proxy.username}:${proxy.password}`): Promise<Asked> {
  const headers = token === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(token).toString('base64')}` }
  return new Promise((resolve, reject) => {
    request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path, headers })
      .once('connect', ({ statusCode: status }, socket) =>
        resolve({ status, socket: status === 200 ? socket : undefined }),
      )
      .once('error', reject)
      .end()
  })
}

async function said(socket: Socket | undefined, word: string): Promise<string> {
  socket?.write(word)
  const [answer] = (await once(socket ?? echo, 'data')) as [Buffer]
  return answer.toString()
}

test('a tool reaches a host of the list, both ways, and its process is told of no other proxy', async () => {
  const { env, proxy } = await started('acme', {
    HTTP_PROXY: 'http://network:1',
    NO_PROXY: '*',
    ALL_PROXY: 'x',
    KEPT: 'y',
  })
  expect(Object.keys(env).toSorted()).toEqual(['HTTPS_PROXY', 'KEPT', 'NO_PROXY', 'https_proxy', 'no_proxy'])
  expect(env['NO_PROXY']).toBe('127.0.0.1,localhost')
  const { status, socket } = await ask(proxy, `127.0.0.1:${port}`)
  expect([status, await said(socket, 'one'), await said(socket, 'two')]).toEqual([200, 'one', 'two'])
  const ended = once(socket ?? echo, 'close')
  socket?.end()
  await ended
  expect(onRefused).not.toHaveBeenCalled()
})

test('what is not listed for its tenant, and a name that stands for this host, are refused and counted', async () => {
  const [acme, other] = [await started('acme'), await started('other')]
  const targets = [
    '127.0.0.1:2',
    'api.anthropic.com:443',
    `localhost:${port}`,
    '[::1]:443',
    '127.0.0.1',
    '',
    '0x7f.1:443',
  ]
  for (const target of targets) expect([target, (await ask(acme.proxy, target)).status]).toEqual([target, 403])
  expect((await ask(other.proxy, '127.0.0.1:1')).status).toBe(403)
  expect(onRefused).toHaveBeenCalledTimes(targets.length + 1)
  for (let more = 0; more < 20; more += 1) await ask(acme.proxy, '127.0.0.1:2')
  const told = warn.mock.calls.map(([about]) => about as { tenant: string; target: string })
  expect(told.filter(({ tenant }) => tenant === 'acme')).toHaveLength(20)
  expect(told[0]).toMatchObject({ tenant: 'acme', target: '127.0.0.1:2', status: '403 Forbidden' })
  // Listed, and nobody listens there.
  expect((await ask(acme.proxy, '127.0.0.1:1')).status).toBe(502)
})

test('a token is good while its process lives, and what is open ends with it', async () => {
  const { proxy, end } = await started('acme')
  const target = `127.0.0.1:${port}`
  for (const wrong of ['', ':', 'claude:', `claude:${proxy.password}x`, proxy.password]) {
    expect([wrong, (await ask(proxy, target, wrong)).status]).toEqual([wrong, 407])
  }
  const { socket } = await ask(proxy, target)
  expect(await said(socket, 'word')).toBe('word')
  const cut = once(socket ?? echo, 'close')
  end()
  await cut
  expect((await ask(proxy, target)).status).toBe(407)
})

test('a process has a bounded number of connections', async () => {
  const { proxy, end } = await started('acme')
  const target = `127.0.0.1:${port}`
  const many = await Promise.all(Array.from({ length: 100 }, () => ask(proxy, target)))
  expect(new Set(many.map(({ status }) => status))).toEqual(new Set([200]))
  expect((await ask(proxy, target)).status).toBe(503)
  end()
})

test('where the network has a proxy, that one is asked for listed hosts, by its name and password', async () => {
  const asked: unknown[] = []
  const network = createHttpServer().on('connect', (message, socket: Socket) => {
    asked.push([message.url, message.headers['proxy-authorization']])
    if (message.url === 'down.example:443') return void socket.end('HTTP/1.1 503 Down\r\n\r\n')
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    const out = connect(port, '127.0.0.1')
    socket.on('error', silent).pipe(out.on('error', silent)).pipe(socket)
  })
  await listening(network)
  const at = (network.address() as AddressInfo).port
  const through = await open('up.example,down.example', { HTTPS_PROXY: `http://me:pa%20ss@127.0.0.1:${at}` })
  const { proxy, env, end } = await started('acme', { HTTPS_PROXY: `http://me:pass@127.0.0.1:${at}` }, through)
  expect(JSON.stringify(env)).not.toContain('me:pa')
  const { status, socket } = await ask(proxy, 'up.example:443')
  expect([status, await said(socket, 'hello')]).toEqual([200, 'hello'])
  expect((await ask(proxy, 'down.example:443')).status).toBe(502)
  expect((await ask(proxy, 'else.example:443')).status).toBe(403)
  const basic = `Basic ${Buffer.from('me:pa ss').toString('base64')}`
  expect(asked).toEqual([
    ['up.example:443', basic],
    ['down.example:443', basic],
  ])
  end()
  network.closeAllConnections()
  await new Promise((resolve) => network.close(resolve))
})

async function listening(server: Server): Promise<void> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
}
