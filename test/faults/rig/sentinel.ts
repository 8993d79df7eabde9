import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startRedis } from '../../support/redis.js'

/** A master, a replica and one Sentinel that fails over after a second. */
export interface Sentineled extends AsyncDisposable {
  /** `redis-sentinel://…`, for clients. */
  url: string
  /** Kills the master as `kill -9` does. Resolves when Sentinel names the replica as the master. */
  failOver(): Promise<void>
  /** Resolves when the replica has all that the master had been told. */
  replicated(): Promise<void>
}

const LOOK_MS = 50
const WAIT_MS = 30_000

/** `folder` for its data. The server is the one that the tests' own Redis runs on. */
export async function startSentineled(folder: string): Promise<Sentineled> {
  const password = randomBytes(12).toString('hex')
  const start = async (name: string) => {
    const dataDir = join(folder, name)
    await mkdir(dataDir)
    return startRedis({ dataDir, password, persistence: true })
  }
  const master = await start('master')
  const replica = await start('replica')
  for (const { port } of [master, replica]) await ask(port, password, `CONFIG SET masterauth ${password}`)
  await ask(replica.port, password, `REPLICAOF 127.0.0.1 ${master.port}`)
  const isLinked = async () => (await ask(replica.port, password, 'INFO replication')).includes('master_link_status:up')
  await until('the replica follows', isLinked)

  const port = await freePort()
  const file = join(folder, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor fleet 127.0.0.1 ${master.port} 1`,
    `sentinel auth-pass fleet ${password}`,
    'sentinel down-after-milliseconds fleet 1000',
    'sentinel failover-timeout fleet 5000',
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const sentinel = spawn(readlinkSync(`/proc/${master.pid}/exe`), [file, '--sentinel'], {
    // One program with several names: Debian's is redis-check-rdb until it is called otherwise.
    argv0: 'redis-sentinel',
    env: { LD_LIBRARY_PATH: librariesOf(master.pid) },
    stdio: 'ignore',
  })
  await once(sentinel, 'spawn')
  const ended = once(sentinel, 'exit')
  await until('Sentinel knows the replica', async () =>
    (await ask(port, undefined, 'SENTINEL replicas fleet')).includes(String(replica.port)),
  )
  return {
    url: `redis-sentinel://:${password}@127.0.0.1:${port}/fleet`,
    async failOver() {
      await master.kill()
      await until('Sentinel names the replica', async () =>
        (await ask(port, undefined, 'SENTINEL get-master-addr-by-name fleet')).includes(String(replica.port)),
      )
    },
    async replicated() {
      const offset = async (at: number, field: string) =>
        new RegExp(`${field}:(\\d+)`).exec(await ask(at, password, 'INFO replication'))?.[1]
      const told = Number(await offset(master.port, 'master_repl_offset'))
      await until('the replica has it', async () => Number(await offset(replica.port, 'slave_repl_offset')) >= told)
    },
    async [Symbol.asyncDispose]() {
      sentinel.kill('SIGKILL')
      await ended
      await replica.stop()
      await master.stop()
    },
  }
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!(await check().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`waited ${WAIT_MS} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

async function ask(port: number, password: string | undefined, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  socket.end(`${password === undefined ? '' : `AUTH ${password}\r\n`}${command}\r\nQUIT\r\n`)
  await once(socket, 'close')
  return text
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The folders of the libraries that a process has loaded: those of an unpacked server are not where the system looks. */
function librariesOf(pid: number): string {
  const paths = readFileSync(`/proc/${pid}/maps`, 'utf8').matchAll(/(\/\S*)\/[^/\s]+\.so[.\d]*$/gm)
  return [...new Set([...paths].map(([, folder = '']) => folder))].join(':')
}
