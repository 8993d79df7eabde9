/**
 * What a tenant with many jobs does to another: `node test/bench/fair-share.mjs [--jobs N]` (10,000), after a build. One worker of
 * 8 slots with the fake claude, whose answers take 1 s. `delay`: from enqueue to end of one job, while the fleet is idle, and
 * behind N jobs of another tenant, also when that is the first job of its tenant ever. `shares`: who was served, of two tenants
 * with weights 3 and 1.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { jobSpecSchema } from '@claude-fleet/core'
import {
  connectRedis,
  createAdmin,
  createEventReader,
  createLimits,
  createProducer,
  newJobId,
} from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { installFakeClaude } from '@claude-fleet/simulator'

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '10000' } } })
const MANY = Number(values.jobs)
const SLOTS = 8
const ROUNDS = 5
const CLAUDE_FLEET = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'claude-fleet.mjs')
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const spec = jobSpecSchema.parse({ prompt: '[[bytes:100]][[slow:10,100]]' })

const folder = mkdtempSync(join(tmpdir(), 'bench-fair-'))
const server = await startEmbeddedRedis({ dataDir: folder, cacheDir: join(tmpdir(), 'redis-server') })
try {
  const claudeBin = await installFakeClaude({ folder })
  await delay(claudeBin)
  await shares(claudeBin)
  console.log(`\nNode ${process.version}, ${cpus().length} cores (${cpus()[0].model})`)
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function delay(claudeBin) {
  const fleet = await openFleet(claudeBin)
  // The first starts pay for what is not there yet.
  for (let at = 0; at < ROUNDS; at += 1) await fleet.timed('acme')
  const idle = await rounds(() => fleet.timed('acme'))
  await fleet.fill('acme', MANY)
  const first = await fleet.timed('beta')
  const behind = await rounds(() => fleet.timed('beta'))
  const ratio = (ms) => `${Math.round(ms)} | ${(ms / idle).toFixed(2)}`
  console.log(`\n| one job, enqueue to end, median of ${ROUNDS} | ms | ratio |\n| --- | --- | --- |`)
  console.log(`| idle fleet | ${ratio(idle)} |`)
  console.log(`| behind ${MANY} of another tenant, the first of its tenant ever (n=1) | ${ratio(first)} |`)
  console.log(`| behind ${MANY} of another tenant | ${ratio(behind)} |`)
  await fleet.close()
}

async function shares(claudeBin) {
  const fleet = await openFleet(claudeBin)
  await fleet.limits.publish(new Map([['acme', { weight: 3 }]]))
  await fleet.fill('acme', 400)
  await fleet.fill('beta', 400)
  const before = await fleet.ended()
  await new Promise((resolve) => setTimeout(resolve, 30_000))
  const after = await fleet.ended()
  const served = [after[0] - before[0], after[1] - before[1]]
  console.log(`\n| served in 30 s | jobs | part |\n| --- | --- | --- |`)
  for (const [at, name] of ['weight 3', 'weight 1'].entries()) {
    console.log(`| ${name} | ${served[at]} | ${((100 * served[at]) / (served[0] + served[1])).toFixed(0)} % |`)
  }
  await fleet.close()
}

async function rounds(measure) {
  const times = []
  for (let at = 0; at < ROUNDS; at += 1) times.push(await measure())
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]
}

async function openFleet(claudeBin) {
  const prefix = `b${newJobId().slice(2, 12)}`
  const worker = await startWorker(prefix, claudeBin)
  const redis = await connectRedis({ url: server.url, name: 'bench', mode: 'api', log })
  const deps = { redis, log }
  const producer = createProducer(deps, { prefix, retentionMs: 3_600_000 })
  const reader = createEventReader(deps, { prefix })
  const admin = createAdmin(deps, { prefix })
  return {
    limits: createLimits(deps, { prefix }),
    async fill(tenant, jobs) {
      for (let made = 0; made < jobs; made += 1_000) {
        const items = Array.from({ length: Math.min(1_000, jobs - made) }, () => ({ spec }))
        await producer.enqueueBatch({ tenant, items })
      }
    },
    /** ms from the call to the end. */
    async timed(tenant) {
      const from = performance.now()
      const { job } = await producer.enqueue({ tenant, spec })
      const signal = new AbortController().signal
      const ended = await reader.waitForEnd(tenant, job.id, { waitMs: 120_000, signal })
      if (ended?.state !== 'completed') throw new Error(`the job is ${ended?.state}`)
      return performance.now() - from
    },
    ended: () => Promise.all(['acme', 'beta'].map(async (tenant) => (await admin.countsByState(tenant)).completed)),
    async close() {
      worker.kill('SIGKILL')
      await once(worker, 'close')
      await reader.close()
      await producer.close()
      await redis.close()
    },
  }
}

async function startWorker(prefix, claudeBin) {
  const child = spawn(process.execPath, [CLAUDE_FLEET, 'worker'], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      REDIS_URL: server.url,
      FLEET_PREFIX: prefix,
      FLEET_WORKER_ID: 'w1',
      FLEET_CONCURRENCY: String(SLOTS),
      FLEET_WORKSPACE_ROOT: join(folder, 'workspaces'),
      FLEET_STATE_DIR: join(folder, 'state'),
      FLEET_LOG_LEVEL: 'error',
      CLAUDE_BIN: claudeBin,
      ANTHROPIC_API_KEY: 'sk-none',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await once(child, 'message')
  return child
}
