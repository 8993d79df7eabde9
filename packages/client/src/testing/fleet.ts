import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startApi, type ApiService } from '@claude-fleet/api'
import { readConformance, startCheckingProxy } from '@claude-fleet/conformance'
import type { ApiSettings } from '@claude-fleet/core'
import { connectRedis, createConsumer, registerWorker, type WorkerStatus } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { pino } from 'pino'
import { FleetClient, type ConnectOptions } from '../connect.js'
import { act } from './attempt.js'

const IDLE: WorkerStatus = {
  claudeVersion: '2.1.330',
  limit: 4,
  running: 0,
  spares: 0,
  credentials: ['default'],
  pausedReason: undefined,
  pool: { created: 0, reused: 0, spare: 0, cold: 0, destroyed: 0 },
  ends: {},
}
const QUIET = pino({ level: 'silent' })
export const API_KEY = 'test-key'
export const TENANT = 'acme'

/** A private Redis for one test file. */
export async function startTestRedis() {
  const dataDir = await mkdtemp(join(tmpdir(), 'fleet-client-test-'))
  const cacheDir = join(homedir(), '.cache', 'claude-fleet')
  const redis = await startEmbeddedRedis({ dataDir, cacheDir, persistence: false })
  return {
    url: redis.url,
    async stop() {
      await redis.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/**
 * A fleet under a prefix of its own: an API, workers when asked for, and clients of both kinds. What the API answers is
 * held against its own document.
 */
export async function openTestFleet(redisUrl: string) {
  const prefix = `t${randomBytes(6).toString('hex')}`
  const retentionMs = 60_000
  const sha256 = createHash('sha256').update(API_KEY).digest('hex')
  const settings: ApiSettings = {
    host: '127.0.0.1',
    port: 0,
    keys: [{ tenant: TENANT, sha256, scopes: new Set(['enqueue', 'read', 'admin']) }],
    policy: { allowedEnv: new Set(), permissionModes: new Set(['dontAsk']) },
    redisUrl,
    prefix,
    logLevel: 'silent',
    retentionMs,
    jobKeys: [],
    keysFile: undefined,
    tenants: undefined,
    auditLog: undefined,
    limits: { requestsPerSecond: 0, streams: 0 },
    webhooks: { secretKeys: [randomBytes(32)], allow: ['127.0.0.1'] },
    sessionTtlMs: 604_800_000,
  }
  let api: ApiService = await startApi(settings, { log: QUIET })
  const proxy = await startCheckingProxy(api.url, await readConformance(api.url))
  const clients: FleetClient[] = []
  const closers: (() => Promise<void>)[] = []

  async function connect(transport: 'http' | 'redis', more: Partial<ConnectOptions> = {}): Promise<FleetClient> {
    const http = { url: proxy.url, apiKey: API_KEY }
    const client = await FleetClient.connect({
      ...(transport === 'http' ? http : { redis: redisUrl, tenant: TENANT, prefix, retentionMs }),
      ...more,
    })
    clients.push(client)
    return client
  }

  return {
    url: proxy.url,
    connect,
    /** Starts a worker that does what prompts say. */
    async work() {
      const redis = await connectRedis({ url: redisUrl, name: 'test-worker', mode: 'worker' })
      const options = { prefix, retentionMs, workerId: 'w1', concurrency: 4 }
      const consumer = createConsumer({ redis, log: QUIET, run: act }, options)
      closers.push(async () => {
        await consumer.stop(0)
        await redis.close()
      })
      await consumer.start()
    },
    /** Puts a worker on the list, one that runs nothing. Resolves when it is asked to drain. */
    async register(workerId: string): Promise<{ draining: Promise<void> }> {
      const redis = await connectRedis({ url: redisUrl, name: 'test-worker', mode: 'worker' })
      let onDrain = () => {}
      const draining = new Promise<void>((resolve) => (onDrain = resolve))
      const registration = await registerWorker(
        { redis, log: QUIET, status: () => IDLE, onDrain },
        { prefix, workerId, host: 'host', pid: 7 },
      )
      closers.push(async () => {
        await registration.close()
        await redis.close()
      })
      return { draining }
    },
    /** Stops the API and starts another on the same port, after `meanwhile`. */
    async restartApi(meanwhile: () => Promise<void> = async () => undefined) {
      await api.stop()
      await meanwhile()
      api = await startApi({ ...settings, port: api.port }, { log: QUIET })
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()))
      await Promise.all(closers.map((close) => close()))
      await proxy.close()
      await api.stop()
      if (proxy.faults().length > 0) throw new Error(`not as documented:\n${proxy.faults().join('\n')}`)
    },
  }
}
