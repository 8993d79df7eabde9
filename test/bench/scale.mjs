/**
 * What many waiting jobs cost: `node test/bench/scale.mjs [--jobs N] [waiting] [throughput] [memory]` (100,000; all),
 * after a build. `waiting`: enqueue, claim, list, the board's calls and stats with 100 and with N waiting jobs, as ratios of the
 * medians. `throughput`: jobs a second of 1, 2 and 4 worker processes with the fake claude. `memory`: bytes of Redis for a job that
 * waits, one that has ended, and each KiB of its log.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { jobSpecSchema } from '@claude-fleet/core'
import {
  connectRedis,
  createAdmin,
  createConsumer,
  createProducer,
  createQueueView,
  newJobId,
} from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { installFakeClaude } from '@claude-fleet/simulator'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: '100000' } },
})
const FEW = 100
const MANY = Number(values.jobs)
const ROUNDS = 200
const BATCH = 1_000
const PROMPT = 'x'.repeat(1_000)
const CLAUDE_FLEET = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'claude-fleet.mjs')
const log = { debug() {}, info() {}, warn() {}, error: console.error }

const folder = mkdtempSync(join(tmpdir(), 'bench-scale-'))
const server = await startEmbeddedRedis({ dataDir: folder, cacheDir: join(tmpdir(), 'redis-server') })
const CALLS = {
  enqueue: ({ producer, spec }) => producer.enqueue({ tenant: 'acme', spec: { ...spec, delayMs: 86_400_000 } }),
  'list of 50': ({ producer }) => producer.list('acme', { limit: 50 }),
  'list of 50 waiting': ({ producer }) => producer.list('acme', { limit: 50, state: 'waiting' }),
  'stats of the tenant': ({ admin }) => admin.stats('acme'),
  'counts for the board': ({ admin }) => admin.countsByState(undefined),
  'jobs for the board': ({ admin }) => admin.jobs(undefined, { limit: 50 }),
  metrics: ({ admin }) => admin.metrics(),
  'page of Bull Board': ({ view }) => view.page(),
}
const all = { waiting, throughput, memory }
try {
  for (const [name, measure] of Object.entries(all)) {
    if (positionals.length === 0 || positionals.includes(name)) await measure()
  }
  console.log(`\nNode ${process.version}, ${cpus().length} cores (${cpus()[0].model})`)
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function waiting() {
  const fleets = [await openFleet('acme'), await openFleet('acme')]
  await fleets[0].fill(FEW)
  await fleets[1].fill(MANY)
  const rows = []
  for (const [name, call] of Object.entries(CALLS))
    rows.push([name, ...(await medians(fleets.map((fleet) => () => call(fleet))))])
  // The claims come last: what they take is not there any more.
  rows.push(['claim and settle', await fleets[0].claims(FEW / 2), await fleets[1].claims(ROUNDS)])
  console.log(`\n| median of ${ROUNDS}, ms | ${FEW} waiting | ${MANY} waiting | ratio |\n| --- | --- | --- | --- |`)
  for (const [name, few, many] of rows) {
    console.log(`| ${name} | ${few.toFixed(2)} | ${many.toFixed(2)} | ${(many / few).toFixed(2)} |`)
  }
  for (const fleet of fleets) await fleet.close()
}

/** Medians of calls that take turns, so that what else the host does is shared by all. ms. */
async function medians(calls) {
  const times = calls.map(() => [])
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, call] of calls.entries()) {
      const from = performance.now()
      await call()
      times[at].push(performance.now() - from)
    }
  }
  return times.map((of) => of.sort((a, b) => a - b)[ROUNDS / 2])
}

async function openFleet(tenant) {
  const prefix = `b${newJobId().slice(2, 12)}`
  const redis = await connectRedis({ url: server.url, name: 'bench', mode: 'worker', log })
  const deps = { redis, log }
  const producer = createProducer(deps, { prefix, retentionMs: 3_600_000 })
  const spec = jobSpecSchema.parse({ prompt: PROMPT })
  const board = createQueueView(redis, { prefix })
  return {
    prefix,
    spec,
    producer,
    admin: createAdmin(deps, { prefix }),
    view: {
      // What Bull Board asks for a page: the counts of all states and ten jobs of one.
      page: () => Promise.all([board.queue.getJobCounts(), board.queue.getJobs(['waiting'], 0, 9, false)]),
    },
    async fill(jobs) {
      for (let made = 0; made < jobs; made += BATCH) {
        const items = Array.from({ length: Math.min(BATCH, jobs - made) }, () => ({ spec }))
        await producer.enqueueBatch({ tenant, items })
      }
    },
    /** ms a job, of so many that one worker without claude begins and settles, one at a time. */
    async claims(count) {
      const own = await connectRedis({ url: server.url, name: 'w', mode: 'worker', log })
      let settled = 0
      let from = 0
      let ms = 0
      let finished = () => {}
      const enough = new Promise((resolve) => (finished = resolve))
      const run = async (claim) => {
        if (settled === 0) from = performance.now()
        if (settled === count) {
          ms = performance.now() - from
          finished()
        }
        settled += 1
        return settledAs(claim)
      }
      const options = { prefix, workerId: 'w', concurrency: 1, retentionMs: 3_600_000 }
      const consumer = createConsumer({ redis: own, log, run }, options)
      await consumer.start()
      await enough
      await consumer.stop(0)
      await own.close()
      return ms / count
    },
    async close() {
      await board.close()
      await producer.close()
      await redis.close()
    },
  }
}

function settledAs(claim, text = 'done') {
  const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheCreationTokens: 0 }
  const result = {
    text,
    sessionId: 'session',
    numTurns: 1,
    durationMs: 1,
    queueMs: claim.queueMs,
    attempt: claim.attempt,
    start: 'reused',
    usage,
    costUsd: 0,
    model: 'model',
    tools: {},
    permissionDenials: [],
    log: { lines: 0, errors: 0, warnings: 0 },
    worker: 'w',
  }
  return { type: 'completed', result, firstTextMs: 1, costUsd: 0, usage, tools: {} }
}

async function throughput() {
  const claudeBin = await installFakeClaude({ folder })
  console.log('\n| workers of 8 slots, answers of 1 s | jobs | jobs/s |\n| --- | --- | --- |')
  for (const workers of [1, 2, 4]) {
    const jobs = 200 * workers
    const fleet = await openFleet('acme')
    const spec = jobSpecSchema.parse({ prompt: '[[bytes:100]][[slow:10,100]]' })
    const children = await Promise.all(
      Array.from({ length: workers }, (_, at) => startWorker(fleet.prefix, at, claudeBin)),
    )
    const { items } = await fleet.producer.enqueueBatch({
      tenant: 'acme',
      items: Array.from({ length: jobs }, () => ({ spec })),
    })
    const from = performance.now()
    while ((await fleet.admin.countsByState('acme')).completed < items.length)
      await new Promise((next) => setTimeout(next, 100))
    const seconds = (performance.now() - from) / 1_000
    console.log(`| ${workers} | ${jobs} | ${(jobs / seconds).toFixed(1)} |`)
    for (const child of children) child.kill('SIGTERM')
    await Promise.all(children.map((child) => once(child, 'close')))
    await fleet.close()
  }
}

async function startWorker(prefix, at, claudeBin) {
  const child = spawn(process.execPath, [CLAUDE_FLEET, 'worker'], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      REDIS_URL: server.url,
      FLEET_PREFIX: prefix,
      FLEET_WORKER_ID: `w${at}`,
      FLEET_CONCURRENCY: '8',
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

async function memory() {
  const fleet = await openFleet('acme')
  const count = Math.min(10_000, MANY)
  const start = await usedMemory()
  await fleet.fill(count)
  const held = (await usedMemory()) - start
  console.log(
    `\n| Redis, bytes | |\n| --- | --- |\n| a waiting job with a prompt of 1,000 bytes | ${Math.round(held / count)} |`,
  )
  await consumeAll(fleet, count, () => {})
  const ended = (await usedMemory()) - start
  console.log(`| the same ended, with a result of 4 bytes | ${Math.round(ended / count)} |`)
  await fleet.close()
  const talkative = await openFleet('acme')
  const before = await usedMemory()
  await talkative.fill(1_000)
  // 16 KiB in pieces as a model streams them, gathered as in production.
  await consumeAll(talkative, 1_000, (claim) => {
    for (let piece = 0; piece < 16; piece += 1) claim.write({ type: 'text', text: 'y'.repeat(1_024) })
  })
  const withLog = ((await usedMemory()) - before) / 1_000
  console.log(`| each KiB of its answer, in the log | ${Math.round((withLog - ended / count) / 16)} |`)
  await talkative.close()
  const verbose = await openFleet('acme')
  const base = await usedMemory()
  await verbose.fill(1_000)
  await consumeAll(verbose, 1_000, () => {}, 'z'.repeat(16_384))
  const withResult = ((await usedMemory()) - base) / 1_000
  console.log(`| each KiB of its result, beside the log | ${Math.round((withResult - ended / count) / 16)} |`)
  await verbose.close()
}

async function consumeAll(fleet, count, say, text = 'done') {
  const own = await connectRedis({ url: server.url, name: 'w', mode: 'worker', log })
  let left = count
  let finished = () => {}
  const done = new Promise((resolve) => (finished = resolve))
  const run = async (claim) => {
    say(claim)
    left -= 1
    if (left === 0) finished()
    return settledAs(claim, text)
  }
  const consumer = createConsumer(
    { redis: own, log, run },
    { prefix: fleet.prefix, workerId: 'w', concurrency: 20, retentionMs: 3_600_000 },
  )
  await consumer.start()
  await done
  await consumer.stop(5_000)
  await own.close()
}

async function usedMemory() {
  const { hostname, port, password } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.setEncoding('utf8').on('data', (piece) => (text += piece))
  socket.end(`${password === '' ? '' : `AUTH ${decodeURIComponent(password)}\r\n`}INFO memory\r\nQUIT\r\n`)
  await once(socket, 'close')
  return Number(/used_memory:(\d+)/.exec(text)[1])
}
