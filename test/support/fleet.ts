import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FleetClient } from '@claude-fleet/client'
import { readConformance, startCheckingProxy } from '@claude-fleet/conformance'
import { startSimulator, type Simulator } from '@claude-fleet/simulator'
import { makeFolder } from './folder.js'
import { startRedis } from './redis.js'
import { CLAUDE_FLEET, startNode, type ProcessOptions, type RunningProcess } from './service.js'

/**
 * A whole fleet of real parts on this machine: Redis, the simulated model, one API, and workers as processes. Every reply
 * of the API, also to other processes, is held against the API's own document; disposing rejects when one was not so.
 */
export interface TestFleet extends AsyncDisposable {
  url: string
  redisUrl: string
  key: string
  model: Simulator
  workspaceRoot: string
  /** Environment of a client on this machine. */
  clientEnv: Record<string, string>
  http: FleetClient
  redis: FleetClient
  /** Starts a worker; resolves when it claims. */
  worker(
    id: string,
    env?: Record<string, string>,
    options?: Pick<ProcessOptions, 'cwd' | 'enter'>,
  ): Promise<RunningProcess>
}

export const TEST_TENANT = 'acme'

/** Starts the fleet without a worker. Everything ends with it. `tenants`: limits, as their file has them. */
export async function startFleet({ tenants }: { tenants?: object } = {}): Promise<TestFleet> {
  const closers: (() => Promise<unknown>)[] = []
  const folder = await makeFolder()
  closers.push(() => folder.remove())
  const server = await startRedis()
  closers.push(() => server.stop())
  const model = await startSimulator()
  closers.push(() => model.close())
  const key = 'key-of-acme-for-tests'
  const sha256 = createHash('sha256').update(key).digest('hex')
  const workspaceRoot = join(folder.path, 'workspaces')
  const shared = { REDIS_URL: server.url }
  const tenantsFile = join(folder.path, 'tenants.json')
  if (tenants !== undefined) await writeFile(tenantsFile, JSON.stringify(tenants))
  const api = startNode([CLAUDE_FLEET, 'api'], {
    env: {
      ...shared,
      FLEET_API_PORT: '0',
      FLEET_API_KEYS: `${TEST_TENANT}:${sha256}:enqueue+read+admin`,
      FLEET_WEBHOOK_KEY: randomBytes(32).toString('hex'),
      FLEET_WEBHOOK_ALLOW: '127.0.0.1',
      ...(tenants === undefined ? {} : { FLEET_TENANTS_FILE: tenantsFile }),
    },
  })
  closers.push(() => api.stop())
  const served = await api.message(readyUrl)
  const proxy = await startCheckingProxy(served, await readConformance(served))
  closers.push(() => proxy.close())
  const { url } = proxy
  const http = await FleetClient.connect({ url, apiKey: key })
  closers.push(() => http.close())
  const redis = await FleetClient.connect({ redis: server.url, tenant: TEST_TENANT })
  closers.push(() => redis.close())
  return {
    url,
    redisUrl: server.url,
    key,
    model,
    workspaceRoot,
    clientEnv: { FLEET_URL: url, FLEET_API_KEY: key },
    http,
    redis,
    async worker(id, env = {}, options = {}) {
      const worker = startNode([CLAUDE_FLEET, 'worker'], {
        env: {
          ...shared,
          FLEET_WORKER_ID: id,
          FLEET_CONCURRENCY: '2',
          FLEET_WORKSPACE_ROOT: workspaceRoot,
          FLEET_STATE_DIR: join(folder.path, 'state'),
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_API_KEY: 'sk-canary-of-the-worker',
          ...env,
        },
        ...options,
      })
      closers.push(() => worker.stop())
      await worker.message((message) => ((message as { type?: string }).type === 'ready' ? true : undefined))
      return worker
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers.toReversed()) await close()
      if (proxy.faults().length > 0) throw new Error(`not as documented:\n${proxy.faults().join('\n')}`)
    },
  }
}

function readyUrl(message: unknown): string | undefined {
  return (message as { url?: string }).url
}
