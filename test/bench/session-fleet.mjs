// What the benches of sessions share: a Redis, a model that answers at once, real workers, a client straight to Redis.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { FleetClient } from '@claude-fleet/client'
import { sessionSpecSchema } from '@claude-fleet/core'
import { connectRedis, createSessions } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { startSimulator } from '@claude-fleet/simulator'

const ROOT = join(import.meta.dirname, '..', '..')
const CLAUDE_FLEET = join(ROOT, 'apps', 'cli', 'bin', 'claude-fleet.mjs')
const TENANT = 'default'
const quiet = { debug() {}, info() {}, warn() {}, error: console.error }

/** Calls `use` with the fleet, and ends all of it whatever comes of that. */
export async function withSessionFleet(use) {
  const root = mkdtempSync(join(tmpdir(), 'bench-sessions-'))
  const folder = (name) => (mkdirSync(join(root, name), { recursive: true }), join(root, name))
  const model = await startSimulator()
  const server = await startEmbeddedRedis({ dataDir: folder('redis'), cacheDir: join(tmpdir(), 'redis-server') })
  const redis = await connectRedis({ url: server.url, name: 'bench', mode: 'api' })
  const sessions = createSessions({ redis, log: quiet }, { prefix: 'fleet', retentionMs: 3_600_000 })
  const client = await FleetClient.connect({ redis: server.url, tenant: TENANT })
  const workers = new Set()

  async function worker(id, env = {}) {
    const child = spawn(process.execPath, [CLAUDE_FLEET, 'worker'], {
      env: {
        PATH: process.env.PATH,
        HOME: folder('home'),
        REDIS_URL: server.url,
        FLEET_WORKER_ID: id,
        FLEET_WORKSPACE_ROOT: folder('workspaces'),
        FLEET_STATE_DIR: folder(`state-${id}`),
        FLEET_LOG_LEVEL: 'error',
        ANTHROPIC_BASE_URL: model.url,
        ANTHROPIC_API_KEY: 'key-of-the-bench',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    workers.add(child)
    child.once('close', () => workers.delete(child))
    await Promise.race([
      new Promise((resolve) => child.on('message', (message) => message.type === 'ready' && resolve())),
      once(child, 'close').then(([code]) => Promise.reject(new Error(`worker ${id} ended with ${code}`))),
    ])
    return child
  }

  try {
    await use({
      model,
      client,
      worker,
      workspace: join(root, 'workspaces', TENANT),
      session: async (options = {}) => (await sessions.create(TENANT, sessionSpecSchema.parse(options))).session.id,
      view: (id) => sessions.get(TENANT, id),
    })
    const { version } = JSON.parse(
      readFileSync(join(ROOT, 'node_modules', '@anthropic-ai', 'claude-code', 'package.json'), 'utf8'),
    )
    console.log(`\nNode ${process.version}, claude ${version}, ${cpus().length} cores (${cpus()[0].model})`)
  } finally {
    await Promise.all(
      [...workers].map(async (child) => {
        const closed = once(child, 'close')
        child.kill('SIGTERM')
        await closed
      }),
    )
    await client.close()
    await sessions.end()
    await redis.close()
    await server.stop()
    await model.close()
    rmSync(root, { recursive: true })
  }
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
export const p95 = (values) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1]
