import { execFileSync } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:tls'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import type { RunningProcess } from '../support/service.js'

const KEY = 'sk-ant-api03-canary-key-egress'
const OAUTH = 'sk-ant-oat01-canary-oauth-egress'

let fleet: TestFleet
let worker: RunningProcess
beforeAll(async () => {
  fleet = await startFleet()
  const file = join(fleet.workspaceRoot, '..', 'credentials.json')
  await mkdir(fleet.workspaceRoot, { recursive: true })
  await writeFile(
    file,
    JSON.stringify({
      default: { env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: fleet.model.url } },
      plan: { env: { CLAUDE_CODE_OAUTH_TOKEN: OAUTH, ANTHROPIC_BASE_URL: fleet.model.url } },
      unreachable: { env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' } },
      nameless: { env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'https://model.invalid' } },
    }),
    { mode: 0o600 },
  )
  worker = await fleet.worker('keyless', { FLEET_CREDENTIALS_FILE: file, FLEET_SPARES: '0', FLEET_CONCURRENCY: '3' })
})
afterAll(async () => {
  await worker.stop()
  await fleet[Symbol.asyncDispose]()
})

test('neither claude nor its tools have the key that the API gets, in no environment and no file of theirs', async () => {
  const look = [
    'echo "has:$ANTHROPIC_API_KEY"',
    // Every process that the tool can see. The brackets keep the words of this command from being found.
    "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a 'canary-[k]ey-egress'",
    'grep -rha "canary-[k]ey-egress" "$HOME" "$CLAUDE_CONFIG_DIR" "$TMPDIR"',
    'echo looked',
  ].join('; ')
  const prompt = `[[tool:Bash:${JSON.stringify({ command: look })}]] look`
  const job = await fleet.http.enqueue({ prompt, allowedTools: ['Bash'] })
  const outputs: string[] = []
  for await (const event of job.events()) if (event.type === 'tool_result') outputs.push(event.output)
  expect(outputs.join()).toMatch(/^has:sk-ant-api03-[\w-]{64}\nlooked$/)
  const turns = fleet.model.ledger.turns()
  expect(turns.length).toBeGreaterThanOrEqual(2)
  expect(new Set(turns.map(({ key, auth }) => `${auth} ${key}`))).toEqual(new Set([`x-api-key ${KEY}`]))
  expect(turns.map(({ raw }) => raw).join()).not.toContain(KEY)
})

test('what goes wrong is called what it is called without a proxy between', async () => {
  const cases = [
    ['[[status:401]]', 'default', 'AUTH_FAILED'],
    ['[[status:529]]', 'default', 'OVERLOADED'],
    ['[[cut:1]]', 'default', 'NETWORK'],
    ['hello', 'unreachable', 'NETWORK'],
    ['hello', 'nameless', 'NETWORK'],
  ] as const
  const found = await Promise.all(
    cases.map(async ([prompt, credential]) => {
      const job = await fleet.redis.enqueue({ prompt, credential, attempts: 1 })
      const error = (await job.result().catch((reason: unknown) => reason)) as { code?: string }
      return [prompt, credential, error.code]
    }),
  )
  expect(found).toEqual(cases)
})

test('a subscription is still known as one: its usage limit parks the job until the reset', async () => {
  const job = await fleet.redis.enqueue({ prompt: '[[usage-limit:3600]] plan', credential: 'plan', attempts: 1 })
  for await (const event of job.events()) {
    if (event.type !== 'parked') continue
    expect(event.error.code).toBe('USAGE_LIMIT')
    expect(event.resumesAt).toBeGreaterThan(Date.now() + 3_000_000)
    break
  }
  await job.cancel()
  const asked = fleet.model.ledger.entries().filter(({ prompt }) => prompt.includes('plan'))
  expect(new Set(asked.map(({ key, auth }) => `${auth} ${key}`))).toEqual(new Set([`bearer ${OAUTH}`]))
})

test("with a private authority and the network's own proxy the key arrives by TLS at the API, and nowhere else", async () => {
  const folder = join(fleet.workspaceRoot, '..')
  const [key, cert] = [join(folder, 'tls.key'), join(folder, 'tls.crt')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', '/CN=model.test', '-addext', 'subjectAltName=DNS:model.test']
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' })
  const api = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (inner) =>
    splice(inner, connect(Number(new URL(fleet.model.url).port), '127.0.0.1')),
  )
  const asked: string[] = []
  const heard: Buffer[] = []
  const network = createServer().on('connect', (message: IncomingMessage, inner: Socket) => {
    asked.push(message.url ?? '')
    inner.on('data', (data: Buffer) => heard.push(data))
    // It alone knows where that name leads.
    const outer = connect(portOf(api), '127.0.0.1', () => inner.write('HTTP/1.1 200 OK\r\n\r\n'))
    splice(inner, outer)
  })
  for (const server of [api, network]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()))
  const file = join(folder, 'private.json')
  const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'https://model.test' }
  await writeFile(file, JSON.stringify({ private: { env } }), { mode: 0o600 })
  const behind = await fleet.worker('behind', {
    FLEET_CREDENTIALS_FILE: file,
    FLEET_SPARES: '0',
    HTTPS_PROXY: `http://127.0.0.1:${portOf(network)}`,
    NODE_EXTRA_CA_CERTS: cert,
    ANTHROPIC_API_KEY: '',
    ANTHROPIC_BASE_URL: '',
  })
  const before = fleet.model.ledger.turns().length
  const job = await fleet.http.enqueue({ prompt: 'by way of TLS', credential: 'private' })
  expect(await job.result()).toMatchObject({ text: 'Echo: by way of TLS', worker: 'behind' })
  const turns = fleet.model.ledger.turns().slice(before)
  expect(new Set(turns.map((turn) => turn.key))).toEqual(new Set([KEY]))
  expect([...new Set(asked)]).toEqual(['model.test:443'])
  expect(Buffer.concat(heard).includes(KEY)).toBe(false)
  await behind.stop()
  for (const server of [api, network]) await new Promise((done) => server.close(done))
}, 60_000)

const portOf = (server: Server) => (server.address() as AddressInfo).port

function splice(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy()).once('close', () => to.destroy())
    from.pipe(to)
  }
}
