/**
 * What the event path costs, measured: `node test/bench/streams.mjs [rate] [latency] [readers] [commands]` (all by
 * default), after a build. `rate`: events a second
 * from a worker through Redis and one API to a reader of Server-Sent Events, beside a bare loop of XADD and PUBLISH, each pair awaited,
 * to a Redis subscriber. `latency`: from a piece of an answer to its reader. `readers`: 500 readers of one stream, then 500 streams
 * with one reader each. `commands`: what a job and a flush ask of Redis. Arms take turns within one run.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { jobSpecSchema } from '@claude-fleet/core'
import { connectRedis, createConsumer, createProducer } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'

const ROOT = join(import.meta.dirname, '..', '..')
const CLAUDE_FLEET = join(ROOT, 'apps', 'cli', 'bin', 'claude-fleet.mjs')
/** Redis without the fleet, for the bare arm alone. */
const { Redis } = createRequire(join(ROOT, 'packages', 'queue', 'package.json'))('ioredis')
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const TENANT = 'default'
const PREFIX = 'bench'
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const SUMS = {
  costUsd: 0,
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0 },
  tools: {},
}

await measureAll()

async function measureAll() {
  const all = { rate, latency, readers, commands }
  const chosen = process.argv.slice(2)
  const dataDir = mkdtempSync(join(tmpdir(), 'bench-'))
  const server = await startEmbeddedRedis({ dataDir, cacheDir: join(tmpdir(), 'redis-server') })
  const fleet = await openFleet(server.url)
  try {
    for (const [name, measure] of Object.entries(all)) {
      if (chosen.length === 0 || chosen.includes(name)) await measure(fleet)
    }
    console.log(`\nNode ${process.version}, ${cpus().length} cores (${cpus()[0].model})`)
  } finally {
    await fleet.close()
    await server.stop()
    rmSync(dataDir, { recursive: true })
  }
  process.exit()
}

/** One worker in this process, one API and one process of readers beside it. */
async function openFleet(url) {
  const redis = await connectRedis({ url, name: 'bench', mode: 'worker', log })
  const producer = createProducer({ redis, log }, { prefix: PREFIX, retentionMs: 600_000 })
  const runs = new Map()
  const run = (claim) => runs.get(claim.spec.metadata.run)(claim)
  const options = { prefix: PREFIX, workerId: 'bench', concurrency: 512, retentionMs: 600_000 }
  const consumer = createConsumer({ redis, log, run }, options)
  await consumer.start()
  const env = {
    PATH: process.env.PATH,
    HOME: tmpdir(),
    REDIS_URL: url,
    FLEET_PREFIX: PREFIX,
    FLEET_API_PORT: '0',
    FLEET_LOG_LEVEL: 'error',
  }
  const api = fork(CLAUDE_FLEET, ['api'], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [ready] = await once(api, 'message')
  const reader = fork(join(import.meta.dirname, 'stream-reader.mjs'))
  let jobs = 0
  return {
    url,
    api,
    redis: new Redis(url),
    /** Runs `body` in a claim and completes the job. */
    async enqueue(body) {
      const name = `run-${(jobs += 1)}`
      runs.set(name, async (claim) => {
        claim.write({ type: 'started', worker: 'bench', sessionId: 'session', start: 'cold' })
        await body(claim)
        return { ...SUMS, type: 'completed', result: resultOf(claim), firstTextMs: 1 }
      })
      const spec = jobSpecSchema.parse({ prompt: 'x', metadata: { run: name } })
      return (await producer.enqueue({ tenant: TENANT, spec })).job.id
    },
    /** Tells the reading process to do `task`; `begun` when it listens, `done` with what it saw. */
    read(task) {
      const begun = reply('begun')
      const done = reply('done')
      reader.send({ ...task, url: ready.url ?? `http://127.0.0.1:${ready.port}`, redis: url })
      return { begun, done }
    },
    async close() {
      reader.kill()
      api.kill()
      await once(api, 'exit')
      await consumer.stop(0)
      await producer.close()
      await redis.close()
      this.redis.disconnect()
    },
  }
  function reply(word) {
    return new Promise((resolve) => {
      const hear = (message) => {
        if (message.word !== word) return
        reader.off('message', hear)
        resolve(message)
      }
      reader.on('message', hear)
    })
  }
}

async function rate(fleet) {
  const count = 10_000
  const line = 'x'.repeat(80)
  const payload = JSON.stringify([
    { jobId: 'j_'.padEnd(28, 'a'), attempt: 1, seq: 1, ts: Date.now(), type: 'log', stream: 'stdout', line },
  ])
  const arms = {
    async bare() {
      const { begun, done } = fleet.read({ task: 'subscribe', channel: 'bare', count })
      await begun
      const from = performance.now()
      for (let at = 0; at < count; at += 1) {
        await fleet.redis
          .pipeline()
          .xadd('bare', 'MAXLEN', '~', 10_000, '*', 'e', payload)
          .publish('bare', payload)
          .exec()
      }
      await done
      return performance.now() - from
    },
    async ours() {
      const go = deferred()
      const id = await fleet.enqueue(async (claim) => {
        await go.promise
        for (let at = 0; at < count; at += 1) {
          claim.write({ type: 'log', stream: 'stdout', line })
          await claim.drained()
        }
      })
      const { begun, done } = fleet.read({ task: 'stream', ids: [id] })
      await begun
      const from = performance.now()
      go.resolve()
      mustBeExact(await done, count)
      return performance.now() - from
    },
  }
  const times = { bare: [], ours: [] }
  for (let round = 0; round < ROUNDS + 1; round += 1) {
    for (const [name, arm] of Object.entries(arms)) {
      const ms = await arm()
      if (round > 0) times[name].push(ms)
    }
  }
  const [bare, ours] = [median(times.bare), median(times.ours)]
  console.log(
    `rate of events of ${payload.length} bytes, worker to SSE reader over one API: ${(bare / ours).toFixed(2)} of bare XADD+PUBLISH, awaited (${Math.round((count / ours) * 1e3)} and ${Math.round((count / bare) * 1e3)} a second)`,
  )
}

async function latency(fleet) {
  for (const [windowName, everyMs] of [
    ['a piece every 5 ms', 5],
    ['a piece every 100 ms', 100],
  ]) {
    const count = everyMs === 5 ? 2_000 : 100
    const go = deferred()
    const id = await fleet.enqueue(async (claim) => {
      await go.promise
      for (let at = 0; at < count; at += 1) {
        claim.write({ type: 'text', text: `${performance.timeOrigin + performance.now()},` })
        await pause(everyMs)
      }
    })
    const { begun, done } = fleet.read({ task: 'stream', ids: [id], stamps: true })
    await begun
    go.resolve()
    const { latencies } = await done
    if (latencies.length !== count) throw new Error(`${latencies.length} of ${count} pieces arrived`)
    console.log(
      `latency of ${windowName}, window 25 ms: p50 ${quantile(latencies, 0.5)} ms, p99 ${quantile(latencies, 0.99)} ms`,
    )
  }
}

async function readers(fleet) {
  const events = 200
  for (const [name, streams, each] of [
    ['500 readers of one stream', 1, 500],
    ['500 streams with one reader each', 500, 1],
  ]) {
    await pause(1_000)
    const before = rssOf(fleet.api.pid)
    const go = deferred()
    const body = async (claim) => {
      await go.promise
      for (let at = 0; at < events; at += 1) {
        claim.write({ type: 'log', stream: 'stdout', line: `line ${at} ${'x'.repeat(100)}` })
        if (at % 10 === 0) await pause(20)
      }
    }
    const ids = await Promise.all(Array.from({ length: streams }, () => fleet.enqueue(body)))
    const { begun, done } = fleet.read({ task: 'stream', ids: ids.flatMap((id) => Array(each).fill(id)) })
    await begun
    const open = rssOf(fleet.api.pid)
    let peak = open
    const watch = setInterval(() => (peak = Math.max(peak, rssOf(fleet.api.pid))), 50)
    go.resolve()
    mustBeExact(await done, events)
    clearInterval(watch)
    const kib = (now) => `${Math.round((now - before) / 500 / 1024)} KiB`
    console.log(`${name}: all exact; memory of the API a reader: ${kib(open)} waiting, ${kib(peak)} at most`)
  }
}

async function commands(fleet) {
  const calls = async () => {
    const text = await fleet.redis.info('commandstats')
    const stats = [...text.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name, n]) => [name, Number(n)])
    return {
      all: stats.reduce((sum, [, n]) => sum + n, 0),
      evalsha: Number(stats.find(([name]) => name === 'evalsha')?.[1] ?? 0),
    }
  }
  const job = async (flushes) => {
    const before = await calls()
    const id = await fleet.enqueue(async (claim) => {
      for (let at = 0; at < flushes; at += 1) {
        claim.write({ type: 'log', stream: 'stdout', line: 'x' })
        await pause(40)
      }
    })
    const { done } = fleet.read({ task: 'stream', ids: [id] })
    await done
    const after = await calls()
    return { all: after.all - before.all, evalsha: after.evalsha - before.evalsha }
  }
  await job(1)
  const [few, many] = [await job(5), await job(105)]
  const more = (field) => ((many[field] - few[field]) / 100).toFixed(1)
  console.log(
    `commands a flush: ${more('evalsha')} scripts sent, ${more('all')} commands in all, with those within scripts and those of time passing`,
  )
  console.log(`commands a job of 5 flushes with one reader: ${few.evalsha} scripts sent, ${few.all} commands in all`)
}

function mustBeExact({ counts }, events) {
  for (const count of counts) if (count !== events) throw new Error(`a reader saw ${count} of ${events} events`)
}

function resultOf(claim) {
  return {
    text: 'x',
    sessionId: 'session',
    numTurns: 1,
    durationMs: 1,
    queueMs: claim.queueMs,
    attempt: claim.attempt,
    start: 'cold',
    usage: SUMS.usage,
    costUsd: 0,
    model: 'model',
    tools: {},
    permissionDenials: [],
    log: { lines: 0, errors: 0, warnings: 0 },
    worker: 'bench',
  }
}

function deferred() {
  let resolve
  const promise = new Promise((done) => (resolve = done))
  return { promise, resolve }
}

function rssOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

function quantile(values, q) {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))].toFixed(1)
}
