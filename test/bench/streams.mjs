/**
 * What the event path costs, measured: `node test/bench/streams.mjs [decode] [rate] [latency] [readers] [commands]` (all by
 * default), after a build. `decode`: claude's lines to messages, beside bare `JSON.parse` of the same lines. `rate`: events a second
 * from a worker through Redis and one API to a reader of Server-Sent Events, beside a bare loop of XADD and PUBLISH, each pair awaited,
 * to a Redis subscriber. `latency`: from a piece of an answer to its reader. `readers`: 500 readers of one stream, then 500 streams
 * with one reader each. `commands`: what a job and a flush ask of Redis. Arms take turns within one run.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { createRequire } from 'node:module'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { jobSpecSchema } from '@claude-fleet/core'
import { connectRedis, createConsumer, createProducer } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { createLineDecoder } from '../../packages/claude/dist/protocol/decoder.js'
import { parseMessage } from '../../packages/claude/dist/protocol/message.js'

const ROOT = join(import.meta.dirname, '..', '..')
const CLAUDE_FLEET = join(ROOT, 'apps', 'cli', 'bin', 'claude-fleet.mjs')
const RECORDINGS = join(ROOT, 'packages', 'claude', 'fixtures')
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

if (process.argv[2] === 'reader') await serveAsReader()
else await measureAll()

async function measureAll() {
  const all = { decode, rate, latency, readers, commands }
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
  const reader = fork(import.meta.filename, ['reader'])
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

function decode() {
  const delta = (chars) => {
    const text = 'lorem "ipsum" dolor é '.repeat(Math.ceil(chars / 22)).slice(0, chars)
    const event = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }
    return `${JSON.stringify({ type: 'stream_event', event, session_id: 's'.repeat(36), parent_tool_use_id: null, uuid: 'u'.repeat(36) })}\n`
  }
  const files = readdirSync(RECORDINGS).filter((name) => name.endsWith('.ndjson') && !name.endsWith('.in.ndjson'))
  const recorded = files.map((name) => readFileSync(join(RECORDINGS, name), 'utf8')).join('')
  const inputs = {
    'pieces of 20 characters': delta(20),
    'pieces of 300 characters': delta(300),
    'pieces of 4,000 characters': delta(4_000),
    [`the ${files.length} recordings`]: recorded,
  }
  for (const [name, text] of Object.entries(inputs)) {
    const bytes = Buffer.from(text.repeat(Math.ceil(16e6 / text.length)))
    const lines = linesOf(bytes)
    const [bare, ours] = alternate(9, [() => lines.forEach((line) => JSON.parse(line.toString())), () => read(bytes)])
    console.log(`decode ${name}: ${(bare / ours).toFixed(2)} of bare JSON.parse`)
  }
  const perMb = (mb) => {
    const bytes = Buffer.from(delta(mb * 1e6))
    const [ms] = alternate(3, [() => read(bytes)])
    return ms / mb
  }
  const [one, ten, fifty] = [perMb(1), perMb(10), perMb(50)]
  console.log(
    `decode one line: ms a MB at 1, 10, 50 MB in the ratio 1 : ${(ten / one).toFixed(2)} : ${(fifty / one).toFixed(2)}`,
  )

  function read(bytes) {
    const decoder = createLineDecoder()
    for (let at = 0; at < bytes.length; at += 65_536)
      decoder.push(bytes.subarray(at, at + 65_536)).forEach(parseMessage)
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

/** Listens as it is told and says what it saw. */
async function serveAsReader() {
  process.on('message', async (task) => {
    const doneWith = task.task === 'subscribe' ? await subscribe(task) : await follow(task)
    process.send({ word: 'done', ...doneWith })
  })

  async function subscribe({ redis, channel, count }) {
    const line = new Redis(redis)
    await line.subscribe(channel)
    let left = count
    const all = new Promise((resolve) =>
      line.on('message', (_channel, text) => JSON.parse(text) && (left -= 1) === 0 && resolve()),
    )
    process.send({ word: 'begun' })
    await all
    line.disconnect()
    return {}
  }

  async function follow({ url, ids, stamps }) {
    const latencies = []
    const counts = []
    let waiting = ids.length
    const streams = ids.map(async (id) => {
      const response = await new Promise((resolve, reject) =>
        get(`${url}/v1/jobs/${id}/events`, { agent: false }, resolve).on('error', reject),
      )
      response.setEncoding('utf8')
      let rest = ''
      let seq = 0
      let logs = 0
      for await (const chunk of response) {
        rest += chunk
        const frames = rest.split('\n\n')
        rest = frames.pop()
        for (const frame of frames) {
          const data = /^data: (.*)$/m.exec(frame)?.[1]
          if (data === undefined) continue
          const event = JSON.parse(data)
          if (event.seq !== seq + 1) throw new Error(`event ${event.seq} came after ${seq}`)
          seq = event.seq
          if (event.type === 'log') logs += 1
          if (event.type === 'started' && (waiting -= 1) === 0) process.send({ word: 'begun' })
          if (stamps && event.type === 'text') {
            const now = performance.timeOrigin + performance.now()
            for (const stamp of event.text.split(',').filter(Boolean)) latencies.push(now - Number(stamp))
          }
        }
      }
      counts.push(logs)
    })
    await Promise.all(streams)
    return { latencies, counts }
  }
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

function linesOf(bytes) {
  const lines = []
  for (let start = 0, at; (at = bytes.indexOf(10, start)) !== -1; start = at + 1)
    if (at > start) lines.push(bytes.subarray(start, at))
  return lines
}

/** Medians of `rounds` of each arm, ms, in turn, after one round to warm up. */
function alternate(rounds, arms) {
  const times = arms.map(() => [])
  for (let round = 0; round < rounds + 1; round += 1) {
    for (const [index, arm] of arms.entries()) {
      const from = performance.now()
      arm()
      if (round > 0) times[index].push(performance.now() - from)
    }
  }
  return times.map(median)
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
