import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientOf, connectRedis } from '../redis/connect.js'
import { findProgram } from './program.js'
import { startEmbeddedRedis, type EmbeddedRedis, type EmbeddedRedisOptions } from './redis.js'

let folder: string
let cacheDir: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-'))
  cacheDir = join(tmpdir(), 'redis-server')
})
afterAll(() => rm(folder, { recursive: true }))

const gone = async (pid: number) => {
  const deadline = Date.now() + 5_000
  while (isAlive(pid) && !(await isZombie(pid))) {
    if (Date.now() > deadline) return false
    await new Promise((resolve) => setImmediate(resolve))
  }
  return true
}
/** Ended, but nobody has asked how: in a container without an init that stays so. */
async function isZombie(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return /\) [ZX] /.test(stat)
}
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Runs `use` against a Redis that is ended after it. */
async function withRedis<T>(options: Partial<EmbeddedRedisOptions>, use: (redis: EmbeddedRedis) => Promise<T>) {
  const dataDir = options.dataDir ?? (await mkdtemp(join(folder, 'data-')))
  const redis = await startEmbeddedRedis({ cacheDir, ...options, dataDir })
  try {
    return await use(redis)
  } finally {
    await redis.stop()
  }
}

async function withClient<T>(url: string, use: (client: ReturnType<typeof clientOf>) => Promise<T>): Promise<T> {
  const connection = await connectRedis({ url, name: 'embedded-test', mode: 'api' })
  try {
    return await use(clientOf(connection))
  } finally {
    await connection.close()
  }
}

/** A folder of links to the named programs, to stand for a PATH that has no more than these. */
async function pathOf(...programs: string[]): Promise<string> {
  const bin = await mkdtemp(join(folder, 'bin-'))
  for (const program of programs) await symlink(program, join(bin, program.split('/').at(-1) ?? ''))
  return bin
}

/** The same of scripts of our own. */
async function pathOfScripts(scripts: Record<string, string>): Promise<string> {
  const bin = await pathOf()
  for (const [name, body] of Object.entries(scripts))
    await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  return bin
}

test('what was acknowledged survives a stop and a kill, and it never evicts', async () => {
  const dataDir = join(folder, 'kept')
  await withRedis({ dataDir }, async (redis) => {
    await withClient(redis.url, async (client) => {
      expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
      await client.set('stopped', '1')
    })
  })
  await withRedis({ dataDir }, async (redis) => {
    await withClient(redis.url, (client) => client.set('killed', '2'))
    process.kill(redis.pid, 'SIGKILL')
    await redis.exited
  })
  const values = await withRedis({ dataDir }, (redis) => withClient(redis.url, (c) => c.mget('stopped', 'killed')))
  expect(values).toEqual(['1', '2'])
})

test('without persistence it leaves no data, and stop may be called twice', async () => {
  const dataDir = join(folder, 'fleeting')
  const pid = await withRedis({ dataDir, persistence: false }, async (redis) => {
    await withClient(redis.url, (client) => client.set('a', 'b'))
    await Promise.all([redis.stop(), redis.stop()])
    return redis.pid
  })
  expect(isAlive(pid)).toBe(false)
  expect(await readdir(dataDir)).toEqual([])
})

test('only who has its address can use it, and its password is in no argument', async () => {
  await withRedis({ persistence: false }, async ({ url, port, pid }) => {
    const password = new URL(url).password
    expect(password).toHaveLength(32)
    await expect(withClient(`redis://127.0.0.1:${port}`, (client) => client.get('a'))).rejects.toThrow()
    if (process.platform !== 'linux') return
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password)
    expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toContain(password)
  })
})

test('Ctrl-C in the terminal does not reach it: it leads a process group of its own', async () => {
  await withRedis({ persistence: false }, async (redis) => {
    expect(process.kill(-redis.pid, 0)).toBe(true)
  })
})

test('listens on a socket of the folder when asked to, and refuses a path that is too long', async () => {
  const unixSocket = join(folder, 's p#ce.sock')
  await withRedis({ unixSocket, persistence: false }, async (redis) => {
    expect(redis.port).toBe(0)
    expect(await withClient(redis.url, (client) => client.ping())).toBe('PONG')
  })
  const long = join(folder, 'x'.repeat(110))
  await expect(withRedis({ unixSocket: long }, async () => {})).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})

test('a folder in use is refused; the first Redis is left alone', async () => {
  const dataDir = join(folder, 'used')
  await withRedis({ dataDir }, async (redis) => {
    await expect(startEmbeddedRedis({ dataDir, cacheDir })).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await withClient(redis.url, (client) => client.ping())).toBe('PONG')
  })
})

test('a port that is taken is said, and leaves no process', async () => {
  await withRedis({ persistence: false }, async ({ port }) => {
    await expect(withRedis({ port }, async () => {})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

test('without a server and without apt, one line names what to do', async () => {
  const path = await pathOf()
  const error = await startEmbeddedRedis({ dataDir: join(folder, 'none'), cacheDir, path }).catch((e: Error) => e)
  expect(error).toMatchObject({ code: 'UNAVAILABLE' })
  expect((error as Error).message).toMatch(/^no redis-server on PATH; .*(install|brew).*REDIS_URL\)$/)
})

test('when apt cannot deliver, one line has its reason and the command, and the cache is left clean', async () => {
  const path = await pathOfScripts({ dpkg: 'exit 1', 'apt-get': 'echo "E: no network" >&2; exit 100' })
  const cache = join(folder, 'empty-cache')
  const start = startEmbeddedRedis({ dataDir: join(folder, 'none'), cacheDir: cache, path })
  await expect(start).rejects.toThrow(/E: no network.*sudo apt-get install redis-server/)
  expect(await readdir(cache)).toEqual([])
})

test('an abort ends a start under way', async () => {
  const path = await pathOfScripts({ dpkg: 'exit 1', 'apt-get': 'exec /bin/sleep 60' })
  const abort = new AbortController()
  const start = startEmbeddedRedis({ dataDir: join(folder, 'none'), cacheDir, path, signal: abort.signal })
  setImmediate(() => abort.abort(new Error('not wanted any more')))
  await expect(start).rejects.toThrow('not wanted any more')
})

// The kernel's way is Linux's; the other works everywhere.
test.each(process.platform === 'linux' ? ['pdeathsig', 'pipe'] : ['pipe'])(
  'dies with a parent that is killed (%s)',
  async (kind) => {
    const server = await findProgram(['redis-server', 'valkey-server'])
    const programs = server === undefined ? ['/usr/bin/apt-get', '/usr/bin/dpkg'] : [server]
    const path = await pathOf(...programs, ...(kind === 'pdeathsig' ? ['/usr/bin/setpriv'] : []))
    const dataDir = join(folder, `parent-${kind}`)
    await mkdir(dataDir)
    const module = new URL('../../dist/embedded/index.js', import.meta.url).href
    const script = `const { startEmbeddedRedis } = await import(${JSON.stringify(module)})
    const options = ${JSON.stringify({ dataDir, cacheDir, path, persistence: false })}
    const log = { info: (facts) => console.log(facts.lifeline) }
    console.log((await startEmbeddedRedis({ ...options, log })).pid)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe(kind)
    const pid = Number((await lines.next()).value)
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    expect(await gone(pid)).toBe(true)
  },
)
