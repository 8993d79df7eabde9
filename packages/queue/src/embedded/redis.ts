import { randomBytes } from 'node:crypto'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readlink, realpath } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { FleetError } from '@claude-fleet/core'
import type { Log } from '../types.js'
import { dieWithParent } from './lifeline.js'
import { findServer } from './server.js'

const PORT_TRIES = 5
/** Linux allows 107 bytes in the path of a socket, macOS 103. */
const MAX_SOCKET_PATH_BYTES = 103
const STOP_GRACE_MS = 5_000
const OUTPUT_LINES_KEPT = 20

export interface EmbeddedRedisOptions {
  /** Folder of this Redis's data; made when missing. One live Redis a folder: a second is refused. */
  dataDir: string
  /** Where an unpacked server is kept for the next start, when none is on PATH. Shared safely by many processes. */
  cacheDir: string
  log?: Log | undefined
  /** Default: a free one. Not with `unixSocket`. */
  port?: number | undefined
  /** Path of a socket to listen on in place of a port; then `port` of the reply is 0. */
  unixSocket?: string | undefined
  /** Default: one made for this start. Given, so that a Redis that is started again has the address it had. */
  password?: string | undefined
  /** false: nothing is written to disk, and all is lost at the end. Default true: append-only file. */
  persistence?: boolean | undefined
  /** Ends a start under way. A Redis that has started is ended by `stop`. */
  signal?: AbortSignal | undefined
  /** Time to load its data and accept connections, ms. Default 60,000. */
  startTimeoutMs?: number | undefined
  /** Where programs are looked for, in place of this process's PATH. */
  path?: string | undefined
}

export interface EmbeddedRedis {
  /** Holds a password made for this start, so that another user of the machine cannot connect: do not log it. */
  url: string
  port: number
  pid: number
  /** The server's executable. */
  bin: string
  /** Resolves when the process is gone, whatever ended it. */
  exited: Promise<void>
  /** Ends it: SIGTERM, after 5 s SIGKILL. Resolves when it is gone; may be called again. */
  stop(): Promise<void>
}

/**
 * Starts a private Redis on 127.0.0.1 (or a socket) with a data folder of its own, that never evicts. The server is
 * `redis-server` or `valkey-server` from PATH, else Debian's package unpacked into `cacheDir`; nothing is installed and
 * no root is needed. It ends with this process, also when that is killed.
 *
 * Rejects with FleetError: `UNAVAILABLE` when no server can be had (the message has the command that brings one) or it
 * does not start, `CONFLICT` when a live Redis uses the folder, `INVALID_REQUEST` for a socket path that is too long.
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const { unixSocket, signal } = options
  if (unixSocket !== undefined && Buffer.byteLength(unixSocket) > MAX_SOCKET_PATH_BYTES)
    throw new FleetError('INVALID_REQUEST', `the socket's path is longer than ${MAX_SOCKET_PATH_BYTES} bytes`)
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 })
  const dataDir = await realpath(options.dataDir)
  await refuseSecond(dataDir)
  const server = await findServer(options)
  const mayChoosePort = options.port === undefined && unixSocket === undefined
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted()
    const port = unixSocket === undefined ? (options.port ?? (await freePort())) : 0
    const attempt = await launch(server, dataDir, port, options)
    if ('pid' in attempt) return attempt
    // Between the choice of a free port and the bind, another process may have taken it.
    if (mayChoosePort && tries < PORT_TRIES && /address already in use/i.test(attempt.output)) continue
    throw new FleetError('UNAVAILABLE', `${server.bin} did not start: ${lastLine(attempt.output)}`)
  }
}

async function launch(
  server: { bin: string; libraryPath: string },
  dataDir: string,
  port: number,
  options: EmbeddedRedisOptions,
): Promise<EmbeddedRedis | { output: string }> {
  const password = port === 0 ? '' : (options.password ?? randomBytes(24).toString('base64url'))
  const lifeline = await dieWithParent([server.bin, '-'], options.path)
  const child = spawn(lifeline.command, lifeline.args, {
    cwd: dataDir,
    // From nothing: this process's environment holds keys that Redis has no use for.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: server.libraryPath },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    // Ctrl-C reaches every process of the terminal's group: out of it, so that workers can still hand their jobs back.
    detached: true,
  })
  // The pipe of the lifeline is let go once the server is gone, with a word, so that its watcher ends in peace; `close`
  // comes after that, when nothing of the server is left.
  child.once('exit', () => (child.stdio[3] as Writable).end('\n'))
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()))
  const stop = () => end(child, exited)
  // What breaks these pipes is the server's end, which `exited` tells.
  child.stdio[3]?.on('error', () => {})
  // On stdin: the arguments of a process can be read by every user of the machine.
  child.stdin.on('error', () => {}).end(configuration({ ...options, dataDir, port, password }))
  const outcome = await ready(child, exited, options)
  if (outcome.error !== undefined || child.pid === undefined) {
    await stop()
    if (options.signal?.aborted) throw options.signal.reason
    return { output: outcome.error ?? 'no process' }
  }
  const url =
    options.unixSocket === undefined ? `redis://:${password}@127.0.0.1:${port}` : socketUrl(options.unixSocket)
  options.log?.info(
    { pid: child.pid, port, bin: server.bin, dataDir, lifeline: lifeline.kind },
    'private Redis started',
  )
  return { url, port, pid: child.pid, bin: server.bin, exited, stop }
}

/** Settles when the server accepts connections, or with what it said when it never will. Drains its output for good. */
async function ready(child: ChildProcess, exited: Promise<void>, options: EmbeddedRedisOptions) {
  const lines: string[] = []
  const over = new AbortController()
  const deadline = AbortSignal.any([
    AbortSignal.timeout(options.startTimeoutMs ?? 60_000),
    ...(options.signal === undefined ? [] : [options.signal]),
  ])
  try {
    return await new Promise<{ error?: string }>((resolve) => {
      const fail = (why: string) => resolve({ error: [why, ...lines].join('\n') })
      if (deadline.aborted) fail('not in time')
      deadline.addEventListener('abort', () => fail('not in time'), { signal: over.signal })
      child.once('error', (error) => fail(error.message))
      void exited.then(() => fail('it ended'))
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue
        createInterface({ input: stream }).on('line', (line) => {
          if (over.signal.aborted || line.trim() === '') return
          lines.push(line)
          if (lines.length > OUTPUT_LINES_KEPT) lines.shift()
          if (/ready to accept connections/i.test(line)) resolve({})
        })
      }
    })
  } finally {
    over.abort()
  }
}

function configuration(options: EmbeddedRedisOptions & { port: number; password: string }): string {
  const persistent = options.persistence ?? true
  return [
    `port ${options.port}`,
    'bind 127.0.0.1',
    ...(options.unixSocket === undefined ? [`requirepass ${options.password}`] : socketLines(options.unixSocket)),
    `dir ${quote(options.dataDir)}`,
    'daemonize no',
    'pidfile redis.pid',
    'logfile ""',
    'save ""',
    `appendonly ${persistent ? 'yes' : 'no'}`,
    'maxmemory-policy noeviction',
    '',
  ].join('\n')
}

const socketLines = (path: string) => [`unixsocket ${quote(path)}`, 'unixsocketperm 600']
const socketUrl = (path: string) => `unix://${path.split('/').map(encodeURIComponent).join('/')}`
const quote = (text: string) => JSON.stringify(text)
const lastLine = (output: string) => output.trim().split('\n').at(-1)?.slice(0, 500) ?? ''

/** Two servers that append to one file ruin it. */
async function refuseSecond(dataDir: string): Promise<void> {
  const text = await readFile(join(dataDir, 'redis.pid'), 'utf8').catch(() => '')
  const pid = /^\d{1,10}$/.test(text.trim()) ? Number(text) : 0
  if (pid === 0 || !isAlive(pid)) return
  // The number may have gone to another process since. Where the system does not tell, believe the file.
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => (process.platform === 'linux' ? undefined : dataDir))
  if (folder !== dataDir) return
  throw new FleetError('CONFLICT', `a Redis (process ${pid}) already uses ${dataDir}; end it first: kill ${pid}`)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function end(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
  await exited.finally(() => clearTimeout(kill))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
