import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder } from '../support/folder.js'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'
import type { RunningProcess } from '../support/service.js'
import { createHostileTally } from './tally.js'

/** `ESCAPE_PROFILE=sandbox-runtime.sh` tries that one, with `srt` on the PATH. */
const PROFILE = join(
  import.meta.dirname,
  '..',
  '..',
  'deploy',
  'sandbox',
  process.env['ESCAPE_PROFILE'] ?? 'bubblewrap.sh',
)
const PLACES = [
  '{workspace}',
  '{cwd}',
  '{home}',
  '{config}',
  '{tmp}',
  '{claude}',
  '{node}',
  '{proxyPort}',
  '{proxySocket}',
]
const WRAPPER = JSON.stringify([PROFILE, ...PLACES, '--'])
const why = whyNoSandbox()
if (why !== undefined) console.warn(`the escape suite is not run here: ${why}`)
const tally = createHostileTally('ways out of the sandbox')

let fleet: TestFleet
let outside: Awaited<ReturnType<typeof makeFolder>>
const listener = createServer((socket) => socket.on('error', () => {}).end('hello of the host\n'))
beforeAll(async () => {
  fleet = await startFleet()
  outside = await makeFolder()
  await new Promise<void>((resolve) => listener.listen(0, () => resolve()))
})
afterAll(async () => {
  tally.write()
  await fleet[Symbol.asyncDispose]()
  await outside.remove()
  await new Promise((resolve) => listener.close(resolve))
})

/** Each is a command of a shell that succeeds where the job gets out. */
function waysOut(worker: RunningProcess): Record<string, string> {
  const { port: redis } = new URL(fleet.redisUrl)
  const { port } = listener.address() as AddressInfo
  const here = Object.values(networkInterfaces()).flat()
  const address = here.find((one) => one?.family === 'IPv4' && !one.internal)?.address
  const connect = (host: string, to: number | string) => `timeout 3 bash -c 'exec 3<>/dev/tcp/${host}/${to}'`
  return {
    "another tenant's workspace": `cat ${fleet.workspaceRoot}/other/secret`,
    "another tenant's HOME": `cat ${outside.path}/state/tenants/other/home/secret`,
    'the names of the tenants': `test -n "$(ls ${fleet.workspaceRoot} | grep other)"`,
    'the environment of the worker by its pid': `grep -aq sk-canary-of-the-worker /proc/${worker.pid}/environ`,
    'the environment of any process': 'grep -alq sk-canary-of-the-worker /proc/[0-9]*/environ',
    'the memory of the worker': `test -n "$(head -c 64 /proc/${worker.pid}/maps)"`,
    'a signal to the worker': `kill -0 ${worker.pid}`,
    'a file of the user of the worker': `cat ${outside.path}/private`,
    'a file by a link': `ln -sf ${outside.path}/private link && cat link`,
    'a file by the root of a process': `cat /proc/${worker.pid}/root${outside.path}/private`,
    Redis: connect('127.0.0.1', redis),
    'a port of this host': connect('127.0.0.1', port),
    ...(address === undefined ? {} : { 'an address of the network': connect(address, port) }),
    ...(process.getuid?.() === 0 ? { '/etc/shadow': 'cat /etc/shadow' } : {}),
  }
}

/** Has real claude try them all with its Bash tool; the names of those that were there to be had. */
async function gotOutOf(worker: RunningProcess, ways: Record<string, string>): Promise<string[]> {
  const script = Object.entries(ways).map(
    ([name, way], at) => `if ( ${way} ) >/dev/null 2>&1; then echo "out ${at}"; fi # ${name}`,
  )
  const write = `echo x > ${outside.path}/written`
  await writeFile(join(fleet.workspaceRoot, TEST_TENANT, 'ways.sh'), [write, ...script].join('\n'))
  const prompt = '[[tool:Bash:{"command":"echo begun > trace; bash ways.sh; echo done"}]] get out'
  const job = await fleet.http.enqueue({ prompt, allowedTools: ['Bash'] })
  let output = ''
  for await (const event of job.events()) if (event.type === 'tool_result') output += event.output
  expect(await job.get()).toMatchObject({ state: 'completed', worker: expect.any(String) })
  expect(output).toContain('done')
  expect(worker.pid).toBeGreaterThan(0)
  const names = Object.keys(ways)
  return [...output.matchAll(/^out (\d+)$/gm)].map(([, at]) => names[Number(at)] ?? '')
}

test.skipIf(why !== undefined)(
  'nothing of the host, of the worker or of another tenant can be had from the sandbox',
  async () => {
    for (const path of [
      join(fleet.workspaceRoot, TEST_TENANT),
      join(fleet.workspaceRoot, 'other'),
      join(outside.path, 'state', 'tenants', 'other', 'home'),
    ]) {
      await mkdir(path, { recursive: true })
      await writeFile(join(path, 'secret'), 'secret of the other')
    }
    await writeFile(join(outside.path, 'private'), 'of the worker', { mode: 0o600 })
    const env = { FLEET_STATE_DIR: join(outside.path, 'state') }

    // Each way leads out where there is no sandbox: else it would prove nothing.
    const open = await fleet.worker('w1', env)
    const ways = waysOut(open)
    expect(await gotOutOf(open, ways)).toEqual(Object.keys(ways))
    expect(await readFile(join(outside.path, 'written'), 'utf8')).toBe('x\n')
    await rm(join(outside.path, 'written'))
    await open.stop()

    const shut = await fleet.worker('w2', { ...env, FLEET_SPAWN_WRAPPER: WRAPPER })
    const tried = waysOut(shut)
    const metadata = { 'the metadata of a cloud': "timeout 3 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80'" }
    const found = await gotOutOf(shut, { ...tried, ...metadata })
    for (const name of Object.keys({ ...tried, ...metadata })) tally.tried(!found.includes(name))
    expect(found).toEqual([])
    // What it wrote beside its workspace it wrote into a folder of its own.
    await expect(readFile(join(outside.path, 'written'))).rejects.toMatchObject({ code: 'ENOENT' })
    // It is the same job all the same: what it wrote in its workspace is there.
    expect(await readFile(join(fleet.workspaceRoot, TEST_TENANT, 'trace'), 'utf8')).toBe('begun\n')
    await shut.stop()
  },
  120_000,
)

test.skipIf(why !== undefined)(
  'in the sandbox a process serves again, a cancelled tool is ended, and nothing outlives a worker that is killed',
  async () => {
    const worker = await fleet.worker('w3', { FLEET_SPAWN_WRAPPER: WRAPPER, FLEET_SPARES: '0' })
    for (const turn of ['one', 'two']) {
      expect(await (await fleet.http.enqueue({ prompt: turn })).result()).toMatchObject({ text: `Echo: ${turn}` })
    }
    // The other profile leaves helpers of its own beside claude, so no process serves again.
    if (PROFILE.endsWith('bubblewrap.sh')) {
      await expect.poll(async () => (await fleet.http.stats()).pool.reused, { timeout: 10_000 }).toBe(1)
    }
    const sleep = async (seconds: number) => {
      const job = await fleet.http.enqueue({
        prompt: `[[tool:Bash:{"command":"sleep ${seconds}"}]] wait`,
        allowedTools: ['Bash'],
      })
      await expect.poll(() => sleeping(seconds), { timeout: 20_000 }).toBe(1)
      return job
    }
    const job = await sleep(86_417)
    await job.cancel()
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect.poll(() => sleeping(86_417), { timeout: 10_000 }).toBe(0)
    const lost = await sleep(86_418)
    worker.signal('SIGKILL')
    await expect.poll(() => sleeping(86_418), { timeout: 20_000 }).toBe(0)
    await lost.cancel()
  },
  120_000,
)

test.skipIf(why !== undefined || !PROFILE.endsWith('bubblewrap.sh'))(
  'from the sandbox a listed host is reached through the worker, another is refused, and there is no way around',
  async () => {
    const { port } = listener.address() as AddressInfo
    const { port: redis } = new URL(fleet.redisUrl)
    const worker = await fleet.worker('w4', {
      FLEET_SPAWN_WRAPPER: WRAPPER,
      FLEET_EGRESS_HOSTS: `${TEST_TENANT}=127.0.0.1:${port},other=127.0.0.1:${redis}`,
    })
    const lines = [
      'proxy=${HTTPS_PROXY#http://} at=${HTTPS_PROXY#*@}',
      'word=$(printf %s "${proxy%@*}" | base64 -w0)',
      'ask() {',
      '  exec 3<>"/dev/tcp/${at%:*}/${at#*:}"',
      '  printf \'CONNECT %s HTTP/1.1\\r\\nHost: %s\\r\\nProxy-Authorization: Basic %s\\r\\n\\r\\n\' "$1" "$1" "$word" >&3',
      '  timeout 5 cat <&3 | tr -d "\\r"',
      '}',
      `echo "listed: $(ask 127.0.0.1:${port} | tail -n 1)"`,
      `echo "of another tenant: $(ask 127.0.0.1:${redis} | head -n 1)"`,
      `timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>&- || echo "directly: nothing"`,
    ]
    await mkdir(join(fleet.workspaceRoot, TEST_TENANT), { recursive: true })
    await writeFile(join(fleet.workspaceRoot, TEST_TENANT, 'hosts.sh'), lines.join('\n'))
    const job = await fleet.http.enqueue({
      prompt: '[[tool:Bash:{"command":"bash hosts.sh"}]] reach out',
      allowedTools: ['Bash'],
    })
    let output = ''
    for await (const event of job.events()) if (event.type === 'tool_result') output += event.output
    expect(output.trim().split('\n')).toEqual([
      'listed: hello of the host',
      'of another tenant: HTTP/1.1 403 Forbidden',
      'directly: nothing',
    ])
    await worker.line(/a connection of a tool was refused/)
    await worker.stop()
  },
  60_000,
)

/** Processes of this host that sleep for so long. */
function sleeping(seconds: number): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${seconds}\0`
    } catch {
      return false
    }
  }).length
}

function whyNoSandbox(): string | undefined {
  if (process.platform !== 'linux') return 'bubblewrap is of Linux'
  const flags = [
    '--unshare-all',
    '--unshare-user',
    '--disable-userns',
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    'true',
  ]
  try {
    execFileSync('bwrap', flags, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000 })
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'bwrap is not installed (Debian: bubblewrap)'
    return `bwrap makes no sandbox: ${(error as Error).message.split('\n').at(-1) ?? ''}`
  }
}
