/**
 * `claude-fleet batch` with many jobs, measured and counted: `node test/bench/batch.mjs [JOBS] [KILLS]` (10,000 and 3), after a build.
 * The jobs are settled by a worker without claude, so that what is measured is the command, the API and the queue. The command
 * is killed at random moments and run again; then every line must have its one outcome, and no prompt may have run twice.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connectRedis, createConsumer } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'

const JOBS = Number(process.argv[2] ?? 10_000)
const KILLS = Number(process.argv[3] ?? 3)
const CLAUDE_FLEET = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'claude-fleet.mjs')
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheCreationTokens: 0 }

const folder = mkdtempSync(join(tmpdir(), 'bench-batch-'))
const [input, out] = [join(folder, 'in.jsonl'), join(folder, 'out.jsonl')]
const server = await startEmbeddedRedis({ dataDir: folder, cacheDir: join(tmpdir(), 'redis-server') })
const ran = new Map()
const api = await startApi()
const worker = await startWorker()
try {
  const pad = 'x'.repeat(1_000)
  writeFileSync(
    input,
    Array.from({ length: JOBS }, (_, at) => `${JSON.stringify({ prompt: `${at} ${pad}`, customId: `c${at}` })}\n`).join(
      '',
    ),
  )
  for (let kill = 1; kill <= KILLS; kill += 1) await runUntil((JOBS * (kill - 0.5 + Math.random() / 2)) / (KILLS + 1))
  await runUntil(Infinity)
  check()
  console.log(`Node ${process.version}, ${cpus().length} cores (${cpus()[0].model})`)
} finally {
  await worker.close()
  api.kill('SIGTERM')
  await once(api, 'close')
  await server.stop()
  rmSync(folder, { recursive: true })
}

/** Runs the command, and kills it when so many jobs have run. */
async function runUntil(jobs) {
  const [before, beganAt] = [linesOf(out), performance.now()]
  const env = { PATH: process.env.PATH, FLEET_URL: api.url }
  const cli = spawn(process.execPath, [CLAUDE_FLEET, 'batch', input, '--out', out, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let [summary, mostKib] = ['', 0]
  cli.stdout.on('data', (text) => (summary += text))
  const closed = once(cli, 'close')
  while (cli.exitCode === null && cli.signalCode === null) {
    mostKib = Math.max(mostKib, peakKib(cli.pid))
    if (ran.size >= jobs) cli.kill('SIGKILL')
    await Promise.race([closed, pause(100)])
  }
  const [code, signal] = await closed
  const seconds = (performance.now() - beganAt) / 1_000
  const lines = linesOf(out) - before
  console.log(
    `${signal ?? `exit ${code}`}: ${lines} lines in ${seconds.toFixed(1)} s (${Math.round(lines / seconds)}/s), ` +
      `most memory of the command ${Math.round(mostKib / 1_024)} MiB`,
  )
  if (jobs === Infinity) {
    assert.equal(code, 0)
    const { ms: _, usage: spent, ...counts } = JSON.parse(summary)
    assert.equal(spent.outputTokens, usage.outputTokens * JOBS)
    assert.deepEqual([counts.jobs, counts.completed, counts.left], [JOBS, JOBS, 0])
  } else assert.equal(signal, 'SIGKILL')
}

function check() {
  const lines = readFileSync(out, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(lines.length, JOBS)
  assert.equal(new Set(lines.map(({ line }) => line)).size, JOBS)
  for (const { line, customId, result } of lines) {
    assert.equal(customId, `c${line - 1}`)
    assert.equal(result.text, `answer ${line - 1}`)
  }
  const twice = [...ran.values()].filter((times) => times !== 1).length
  assert.deepEqual([ran.size, twice], [JOBS, 0])
  const batches = new Set(lines.map(({ batch }) => batch)).size
  const mib = (path) => (statSync(path).size / 1_048_576).toFixed(1)
  console.log(`${JOBS} jobs, each run once, in ${batches} batches; input ${mib(input)} MiB, output ${mib(out)} MiB`)
}

function linesOf(path) {
  try {
    return readFileSync(path, 'utf8').split('\n').length - 1
  } catch {
    return 0
  }
}

/** The most it has held, KiB; 0 when it has ended. */
function peakKib(pid) {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

async function startApi() {
  const port = await freePort()
  const env = { PATH: process.env.PATH, REDIS_URL: server.url, FLEET_API_PORT: String(port), FLEET_LOG_LEVEL: 'info' }
  const child = spawn(process.execPath, [CLAUDE_FLEET, 'api'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    child.once('close', () => reject(new Error('the API did not start')))
    child.stdout.on('data', (text) => String(text).includes(`:${port}`) && resolve())
  })
  return Object.assign(child, { url: `http://127.0.0.1:${port}` })
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

async function startWorker() {
  const redis = await connectRedis({ url: server.url, name: 'bench', mode: 'worker', log })
  const options = { prefix: 'fleet', workerId: 'bench', concurrency: 50, retentionMs: 86_400_000 }
  const run = async (claim) => {
    const [number] = claim.spec.prompt.split(' ')
    ran.set(number, (ran.get(number) ?? 0) + 1)
    const text = `answer ${number}`
    claim.write({ type: 'started', worker: 'bench', sessionId: 's', start: 'cold' })
    claim.write({ type: 'text', text })
    return { type: 'completed', result: resultOf(claim, text), firstTextMs: 1, costUsd: 0, usage, tools: {} }
  }
  const consumer = createConsumer({ redis, log, run }, options)
  await consumer.start()
  return {
    async close() {
      await consumer.stop(0)
      await redis.close()
    },
  }
}

function resultOf({ attempt, queueMs }, text) {
  const none = { tools: {}, permissionDenials: [], log: { lines: 0, errors: 0, warnings: 0 } }
  const facts = {
    sessionId: 's',
    numTurns: 1,
    durationMs: 1,
    start: 'cold',
    costUsd: 0,
    model: 'none',
    worker: 'bench',
  }
  return { text, attempt, queueMs, usage, ...facts, ...none }
}
