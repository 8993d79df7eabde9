import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { FleetClient } from '@claude-fleet/client'
import { installFakeClaude } from '@claude-fleet/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder } from '../support/folder.js'
import { openRawRedis } from '../support/raw-redis.js'
import { startRedis } from '../support/redis.js'
import { CLAUDE_FLEET, runNode, startNode, type RunningProcess } from '../support/service.js'
import { createHostileTally } from './tally.js'

const ROOT = join(import.meta.dirname, '..', '..')
const KEY = 'the-key-of-acme'
const ROLES = ['api', 'worker', 'board'] as const
const tally = createHostileTally('commands of users of Redis')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const passwordOf = (role: string) => `password-of-${role}`

let folder: Awaited<ReturnType<typeof makeFolder>>
let server: ChildProcess | undefined
let port: number
let ca: string
const urlOf = (role: string) => `rediss://fleet-${role}:${passwordOf(role)}@127.0.0.1:${port}`
beforeAll(async () => {
  folder = await makeFolder()
  ca = join(folder.path, 'cert.pem')
  const key = join(folder.path, 'key.pem')
  const subject = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', ca, ...subject], { stdio: 'ignore' })
  let acl = await readFile(join(ROOT, 'deploy', 'redis', 'users.acl'), 'utf8')
  for (const role of ROLES) acl = acl.replace(`${role.toUpperCase()}_SHA256`, sha256(passwordOf(role)))
  await writeFile(join(folder.path, 'users.acl'), acl)
  await mkdir(join(folder.path, 'data'))
  port = await freePort()
  const flags = {
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': ca,
    'tls-key-file': key,
    'tls-ca-cert-file': ca,
    'tls-auth-clients': 'no',
    aclfile: join(folder.path, 'users.acl'),
    bind: '127.0.0.1',
    save: '',
    dir: join(folder.path, 'data'),
  }
  server = await startTlsServer(Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]))
})
afterAll(async () => {
  tally.write()
  server?.kill('SIGKILL')
  if (server?.exitCode === null && server.signalCode === null) await once(server, 'exit')
  await folder.remove()
})

/** The program that the tests' own Redis runs, with other settings. Resolves when it serves. */
async function startTlsServer(args: readonly string[]): Promise<ChildProcess> {
  const model = await startRedis()
  const bin = await readlink(`/proc/${model.pid}/exe`)
  // Its libraries may lie beside it, where no loader looks by itself.
  const mapped = (await readFile(`/proc/${model.pid}/maps`, 'utf8')).matchAll(/ (\/\S+)\/[^/\s]+\.so/g)
  const library = [...new Set([...mapped].map(([, path]) => path))].join(':')
  const mark = process.env.CLAUDE_FLEET_TEST_RUN ?? ''
  // The program is named for what else it does, and does what it is called as.
  const child = spawn(bin, args, {
    argv0: 'redis-server',
    env: { LD_LIBRARY_PATH: library, CLAUDE_FLEET_TEST_RUN: mark },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('Ready to accept connections')) resolve()
    })
    child.once('exit', () => reject(new Error(said)))
  })
  await model.stop()
  return child
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: found } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return found
}

test('each role does its work over TLS as its own user', async () => {
  const started: RunningProcess[] = []
  const start = (role: string, env: Record<string, string>) => {
    const service = startNode([CLAUDE_FLEET, role], {
      env: { REDIS_URL: urlOf(role), NODE_EXTRA_CA_CERTS: ca, FLEET_JOB_KEY: 'ab'.repeat(32), ...env },
    })
    started.push(service)
    return service
  }
  const ready = (service: RunningProcess) =>
    service.message((message) =>
      (message as { type?: string }).type === 'ready' ? (message as { url: string }) : undefined,
    )
  try {
    const claude = await installFakeClaude({
      folder: folder.path,
      log: join(folder.path, 'spend'),
      pids: join(folder.path, 'pids'),
    })
    const [{ url }, board] = await Promise.all([
      ready(start('api', { FLEET_API_PORT: '0', FLEET_API_KEYS: `acme:${sha256(KEY)}:enqueue+read+admin` })),
      ready(start('board', { FLEET_BOARD_PORT: '0', FLEET_ADMIN_PASSWORD: 'long enough' })),
      ready(
        start('worker', {
          FLEET_WORKER_ID: 'w1',
          FLEET_STATE_DIR: join(folder.path, 'state'),
          FLEET_WORKSPACE_ROOT: join(folder.path, 'workspaces'),
          CLAUDE_BIN: claude,
          ANTHROPIC_API_KEY: 'none',
        }),
      ),
    ])
    const client = await FleetClient.connect({ url, apiKey: KEY })
    const job = await client.enqueue({ prompt: 'say hello' })
    const types: string[] = []
    for await (const event of job.events()) types.push(event.type)
    expect(types.at(-1)).toBe('completed')
    const waiting = await client.enqueue({ prompt: 'later', delayMs: 600_000 })
    await client.schedules.create({ cron: '0 0 1 1 *', job: { prompt: 'p' } })
    expect((await client.workers()).map(({ id }) => id)).toEqual(['w1'])
    expect((await client.stats()).jobs.completed).toBe(1)
    const headers = { authorization: `Basic ${btoa('admin:long enough')}`, 'x-fleet-board': '1' }
    const asked = async (path: string, method = 'GET') => (await fetch(board.url + path, { method, headers })).status
    expect(await asked(`/api/jobs/${job.id}`)).toBe(200)
    expect(await asked('/api/jobs')).toBe(200)
    expect(await asked('/admin/queues/api/queues?activeQueue=prompts&page=1&jobsPerPage=10')).toBe(200)
    expect(await asked(`/api/jobs/${waiting.id}/cancel`, 'POST')).toBe(202)
    expect((await client.job(waiting.id).get()).state).toBe('cancelled')
    await client.close()
    await Promise.all(started.map((service) => service.stop()))
    const said = (await Promise.all(started.map(({ ended }) => ended))).map(({ stdout }) => stdout).join('')
    expect(said).not.toMatch(/NOPERM|no permissions/i)
  } finally {
    await Promise.all(started.map((service) => service.stop()))
  }
})

test('a certificate that nobody vouches for, and a Redis elsewhere without TLS, are refused', async () => {
  const jobs = (env: Record<string, string>) => runNode([CLAUDE_FLEET, 'jobs'], { env })
  const [unknown, known, plain] = await Promise.all([
    jobs({ REDIS_URL: urlOf('api'), NODE_EXTRA_CA_CERTS: '' }),
    jobs({ REDIS_URL: urlOf('api'), NODE_EXTRA_CA_CERTS: ca }),
    jobs({ REDIS_URL: 'redis://:canary-password@redis.test:6379' }),
  ])
  expect([unknown.code, known.code, plain.code]).toEqual([69, 0, 78])
  expect(unknown.stderr).toMatch(/self-signed certificate/)
  expect(plain.stderr).toMatch(/^claude-fleet: REDIS_URL: names another machine without TLS[^\n]+\n$/)
  for (const { code, stderr } of [unknown, plain]) tally.tried(code !== 0 && !/canary|password-of/.test(stderr))
})

const FORBIDDEN: readonly (readonly [command: string, ...args: string[]])[] = [
  ['FLUSHALL'],
  ['FLUSHDB'],
  ['CONFIG', 'GET', '*'],
  ['CONFIG', 'SET', 'dir', '/var/spool/cron'],
  ['KEYS', '*'],
  ['SCAN', '0'],
  ['RANDOMKEY'],
  ['DEBUG', 'SLEEP', '0'],
  ['SHUTDOWN', 'NOSAVE'],
  ['MODULE', 'LOAD', '/tmp/x.so'],
  ['REPLICAOF', 'evil.test', '6379'],
  ['SAVE'],
  ['BGREWRITEAOF'],
  ['ACL', 'SETUSER', 'me', 'on'],
  ['ACL', 'LIST'],
  ['CLIENT', 'KILL', 'TYPE', 'normal'],
  ['CLIENT', 'LIST'],
  ['MONITOR'],
  ['SCRIPT', 'FLUSH'],
  ['FUNCTION', 'FLUSH'],
  ['SLOWLOG', 'GET'],
  ['MIGRATE', 'evil.test', '6379', 'fleet:x', '0', '100'],
  ['RESTORE', 'fleet:x', '0', 'x'],
  ['SWAPDB', '0', '1'],
  ['GET', 'other:x'],
  ['SET', 'other:x', '1'],
  ['SET', 'fleetx', '1'],
  ['RENAME', 'fleet:x', 'other:x'],
  ['SUBSCRIBE', 'other:events'],
  ['PSUBSCRIBE', '*'],
  ['PUBLISH', 'other:events', 'x'],
  ['EVAL', "return redis.call('GET', 'other:x')", '0'],
  ['EVAL', "return redis.call('CONFIG', 'GET', 'dir')", '0'],
]

test.each(ROLES)('the user of %s may do nothing else, and nothing beside the fleet', async (role) => {
  const tls = { ca: await readFile(ca) }
  const wrong: string[] = []
  for (const [command, ...args] of FORBIDDEN) {
    using raw = openRawRedis(urlOf(role), { tls })
    const answer = await raw.call(command, ...args).then(
      () => 'done',
      (error: unknown) => String(error),
    )
    const right = /NOPERM|can't access|no permissions|ACL failure|not allowed/i.test(answer)
    tally.tried(right)
    if (!right) wrong.push(`${command} ${args.join(' ')}: ${answer}`)
  }
  expect(wrong).toEqual([])
  using nobody = openRawRedis(`rediss://127.0.0.1:${port}`, { tls })
  await expect(nobody.call('PING')).rejects.toThrow(/NOAUTH/)
  tally.tried(true)
})
