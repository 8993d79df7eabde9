import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { FleetClient, type JobInput } from '@claude-fleet/client'
import { installFakeClaude } from '@claude-fleet/simulator'
import { makeFolder } from '../../support/folder.js'
import { startRedis } from '../../support/redis.js'
import { CLAUDE_FLEET, startNode, type RunningProcess } from '../../support/service.js'
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js'
import type { NetworkNamespace } from './namespace.js'
import { createSpends, type Spends } from './spends.js'
import { createWitness, pidHere, processesNaming, type Witness } from './witness.js'

export interface Acked {
  id: string
  /** First word of its prompt. */
  tag: string
}

export interface RigWorker {
  id: string
  process: RunningProcess
  /** What stands between it and Redis. */
  line: TcpProxy
}

export interface RigApi {
  url: string
  process: RunningProcess
}

/** A fleet to be broken: a Redis that can be halted and killed, workers behind lines that can be cut, a fake claude. */
export interface Rig extends AsyncDisposable {
  client: FleetClient
  spends: Spends
  witness: Witness
  acked: Acked[]
  workers: RigWorker[]
  /** In a network of its own where one is given; the rig removes it. `env` is added to that of all. */
  startWorker(id: string, network?: NetworkNamespace, env?: Record<string, string>): Promise<RigWorker>
  /** Starts an API, resolves when it listens. The rig ends it. */
  startApi(env: Record<string, string>): Promise<RigApi>
  /** The tag is put before `prompt`. Resolves once the fleet has said yes. */
  enqueue(prompt: string, input?: Partial<JobInput>): Promise<Acked>
  freezeRedis(): void
  thawRedis(): void
  /** Kills it as `kill -9` does and starts it again on the same data and address, `awayMs` later. */
  crashRedis(awayMs: number): Promise<void>
  /** Ends it in order and starts it again, `awayMs` later. */
  restartRedis(awayMs: number): Promise<void>
  /** Address of Redis behind a line at `port`. */
  redisUrl(port: number): string
  /** Sends one command to Redis, as an administrator would; the raw answer. No word may hold a blank. */
  command(...words: string[]): Promise<string>
  /** Pids of the daemons that fake claudes have left. */
  daemons(): Promise<number[]>
  /** Looks until `check` gives something. Rejects after `ms` with what was waited for. */
  until<T>(what: string, check: () => T | undefined | false | Promise<T | undefined | false>, ms?: number): Promise<T>
  /** Ends every process; what still lives of them afterwards. */
  stop(): Promise<number[]>
}

const LOOK_MS = 20

export async function startRig(options: { marks?: string; env?: Record<string, string> } = {}): Promise<Rig> {
  const folder = await makeFolder()
  const password = randomBytes(16).toString('hex')
  const dataDir = join(folder.path, 'redis')
  await mkdir(dataDir)
  let redis = await startRedis({ dataDir, password, persistence: true })
  const { port } = redis
  const log = join(folder.path, 'spend')
  const pids = join(folder.path, 'pids')
  const claudeBin = await installFakeClaude({
    folder: folder.path,
    log,
    pids,
    ...(options.marks === undefined ? {} : { marks: options.marks }),
  })
  const witness = createWitness()
  const spends = createSpends(log, witness)
  const client = await FleetClient.connect({ redis: redis.url, tenant: 'acme' })
  const workers: RigWorker[] = []
  const acked: Acked[] = []
  const networks: NetworkNamespace[] = []
  const apis: RunningProcess[] = []
  const daemonPids = new Map<string, number>()
  let stopped: Promise<number[]> | undefined

  async function startApi(env: Record<string, string>): Promise<RigApi> {
    const api = startNode([CLAUDE_FLEET, 'api'], { env: { REDIS_URL: redis.url, ...env } })
    apis.push(api)
    const url = await api.message((message) => (message as { url?: string }).url)
    return { url, process: api }
  }

  async function startWorker(id: string, network?: NetworkNamespace, env = {}): Promise<RigWorker> {
    if (network !== undefined) networks.push(network)
    const host = network?.host ?? '127.0.0.1'
    const line = await startTcpProxy({ port, host })
    const worker = startNode([CLAUDE_FLEET, 'worker'], {
      env: {
        REDIS_URL: `redis://:${password}@${host}:${line.port}`,
        FLEET_REDIS_PLAINTEXT: 'allow',
        FLEET_WORKER_ID: id,
        FLEET_CONCURRENCY: '4',
        // The cases are about attempts: a process that is there belongs to one.
        FLEET_SPARES: '0',
        FLEET_SESSION_IDLE_MS: '0',
        FLEET_WORKSPACE_ROOT: join(folder.path, 'workspaces'),
        FLEET_STATE_DIR: join(folder.path, 'state'),
        CLAUDE_BIN: claudeBin,
        ANTHROPIC_API_KEY: 'sk-canary-of-the-worker',
        ...options.env,
        ...env,
      },
      ...(network !== undefined && { enter: network.enter }),
    })
    const entry = { id, process: worker, line }
    workers.push(entry)
    await worker.message((message) => ((message as { type?: string }).type === 'ready' ? true : undefined))
    return entry
  }

  async function stopOnce(): Promise<number[]> {
    await client.close()
    await Promise.all(apis.map((api) => api.stop()))
    await Promise.all(
      workers.map(async ({ process, line }) => {
        line.restore()
        process.signal('SIGCONT')
        await process.stop()
        await line.close()
      }),
    )
    for (const network of networks) network.remove()
    spends.close()
    witness.close()
    redis.thaw()
    await redis.stop()
    const left = processesNaming(folder.path)
    await folder.remove()
    return left
  }
  const stop = () => (stopped ??= stopOnce())

  return {
    client,
    spends,
    witness,
    acked,
    workers,
    startWorker,
    startApi,
    async enqueue(prompt, input = {}) {
      const tag = `t${randomBytes(5).toString('hex')}`
      const { id } = await client.enqueue({ prompt: `${tag} ${prompt}`, ...input })
      const entry = { id, tag }
      acked.push(entry)
      return entry
    },
    freezeRedis: () => redis.freeze(),
    thawRedis: () => redis.thaw(),
    async crashRedis(awayMs) {
      await redis.kill()
      await pause(awayMs)
      redis = await startRedis({ dataDir, port, password, persistence: true })
    },
    async restartRedis(awayMs) {
      await redis.stop()
      await pause(awayMs)
      redis = await startRedis({ dataDir, port, password, persistence: true })
    },
    redisUrl: (at) => `redis://:${password}@127.0.0.1:${at}`,
    command: (...words) => askRedis({ port, password }, words.join(' ')),
    async daemons() {
      const text = await readFile(pids, 'utf8').catch(() => '')
      const lines = text.split('\n').filter((line) => line !== '')
      const found = lines.flatMap((line) => {
        const { pid, space } = JSON.parse(line) as { pid: number; space: string }
        const known = daemonPids.get(`${space} ${pid}`) ?? pidHere(pid, space)
        if (known !== undefined) daemonPids.set(`${space} ${pid}`, known)
        return known ?? []
      })
      for (const pid of found) witness.watch(pid)
      return found
    },
    async until(what, check, ms = 60_000) {
      const deadline = performance.now() + ms
      for (;;) {
        const found = await check()
        if (found !== undefined && found !== false) return found
        if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`)
        await pause(LOOK_MS)
      }
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
    },
  }
}

/** One inline command and its raw answer. */
async function askRedis({ port, password }: { port: number; password: string }, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  socket.end(`AUTH ${password}\r\n${command}\r\nQUIT\r\n`)
  await once(socket, 'close')
  return text.replace(/^\+OK\r\n/, '').replace(/\+OK\r\n$/, '')
}
