/**
 * What the queue needs, measured: `node test/bench/queue.mjs [takeover] [cancel] [partition]` (all by default), after a
 * build. `takeover`: kill -9 of ten workers at random moments, until the job begins on another. `cancel`: from the call to the
 * `cancelled` event at a subscriber. `partition`: the line of a worker is cut in a network namespace; needs root and ip(8).
 */
import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { jobSpecSchema } from '@claude-fleet/core'
import { connectRedis, createConsumer, createEventReader, createProducer, newJobId } from '@claude-fleet/queue'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'

const HOLDER = join(import.meta.dirname, 'holder.mjs')
const TENANT = 'bench'
const log = { debug() {}, info() {}, warn() {}, error: console.error }
const sums = {
  costUsd: 0,
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0 },
  tools: {},
}

const all = { takeover, cancel, partition }
const chosen = process.argv.slice(2)
const dataDir = mkdtempSync(join(tmpdir(), 'bench-'))
const server = await startEmbeddedRedis({ dataDir, cacheDir: join(tmpdir(), 'redis-server') })
try {
  for (const [name, measure] of Object.entries(all)) if (chosen.length === 0 || chosen.includes(name)) await measure()
  console.log(`\nNode ${process.version}, ${cpus().length} cores (${cpus()[0].model})`)
} finally {
  await server.stop()
  rmSync(dataDir, { recursive: true })
}

/** A fleet of its own on the one Redis: a producer, a reader, and workers in this process. */
async function openFleet() {
  const prefix = `b${newJobId().slice(2, 12)}`
  const redis = await connectRedis({ url: server.url, name: 'bench', mode: 'worker', log })
  const deps = { redis, log }
  const producer = createProducer(deps, { prefix, retentionMs: 600_000 })
  const reader = createEventReader(deps, { prefix })
  const consumers = []
  return {
    prefix,
    producer,
    reader,
    async enqueue(input = {}) {
      const spec = jobSpecSchema.parse({ prompt: 'x', ...input })
      return (await producer.enqueue({ tenant: TENANT, spec })).job.id
    },
    async consume(run, concurrency = 10) {
      const own = await connectRedis({ url: server.url, name: 'w', mode: 'worker', log })
      const options = { prefix, workerId: `w${consumers.length}`, concurrency, retentionMs: 600_000 }
      const consumer = createConsumer({ redis: own, log, run }, options)
      consumers.push(async () => {
        await consumer.stop(0)
        await own.close()
      })
      await consumer.start()
    },
    async close() {
      await Promise.all(consumers.map((close) => close()))
      await reader.close()
      await producer.close()
      await redis.close()
    },
  }
}

async function takeover() {
  const times = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const fleet = await openFleet()
      const first = fork(HOLDER, [server.url, fleet.prefix, 'first'])
      const id = await fleet.enqueue()
      await once(first, 'message')
      let begun = () => {}
      const again = new Promise((resolve) => (begun = resolve))
      await fleet.consume(async (claim) => {
        begun()
        return { ...sums, type: 'failed', error: fault(claim) }
      })
      // Past the rest of a fleet that has just begun, at any moment between two renewals.
      await pause(21_000 + Math.random() * 5_000)
      first.kill('SIGKILL')
      const killedAt = performance.now()
      await again
      const ms = performance.now() - killedAt
      await fleet.reader.waitForEnd(TENANT, id, { waitMs: 5_000, signal: new AbortController().signal })
      await fleet.close()
      return ms
    }),
  )
  print('takeover after kill -9 of a worker', times)
}

async function cancel() {
  const fleet = await openFleet()
  await fleet.consume(async (claim) => {
    if (claim.spec.metadata.becomes === 'retry')
      return { ...sums, type: 'retry', error: fault(claim), delayMs: 600_000 }
    if (claim.spec.metadata.becomes === 'park')
      return { ...sums, type: 'parked', error: fault(claim), resumesAt: Date.now() + 600_000 }
    await new Promise((resolve) => claim.signal.addEventListener('abort', resolve, { once: true }))
    return { ...sums, type: 'cancelled', reason: claim.signal.reason.reason }
  })
  const wanted = {
    active: ['active', {}],
    'waiting for a retry': ['delayed', { metadata: { becomes: 'retry' } }],
    parked: ['parked', { metadata: { becomes: 'park' } }],
    delayed: ['delayed', { delayMs: 600_000 }],
  }
  for (const [name, [state, input]] of Object.entries(wanted)) {
    const times = []
    for (let round = 0; round < 100; round += 1) {
      const ids = await Promise.all(Array.from({ length: 10 }, () => fleet.enqueue(input)))
      times.push(...(await Promise.all(ids.map((id) => cancelOne(fleet, id, state)))))
    }
    print(`cancel of a job that is ${name}, to \`cancelled\` at a subscriber`, times)
  }
  await fleet.close()
}

async function cancelOne({ producer, reader }, id, state) {
  while ((await producer.get(TENANT, id)).state !== state) await pause(2)
  let askedAt = 0
  for await (const event of reader.events(TENANT, id, { after: 0, signal: AbortSignal.timeout(30_000) })) {
    if (event.type === 'cancelled') return performance.now() - askedAt
    if (event.type !== 'queued') continue
    askedAt = performance.now()
    void producer.cancel(TENANT, id, 'bench')
  }
  throw new Error('the stream ended without its end')
}

/** Real packets that go nowhere: a worker in a namespace of its own, whose link is set down. */
async function partition() {
  const name = `bench${process.pid % 10_000}`
  const ip = (...args) => execFileSync('ip', args, { stdio: 'inherit' })
  const { port } = new URL(server.url)
  let first
  let forward
  const fleet = await openFleet()
  try {
    ip('netns', 'add', name)
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    ip('addr', 'add', '10.231.7.1/24', 'dev', name)
    ip('link', 'set', name, 'up')
    ip('-n', name, 'addr', 'add', '10.231.7.2/24', 'dev', 'eth0')
    ip('-n', name, 'link', 'set', 'eth0', 'up')
    const url = new URL(server.url)
    url.hostname = '10.231.7.1'
    forward = forwardFrom('10.231.7.1', Number(port))
    await forward.ready
    first = spawn('ip', ['netns', 'exec', name, process.execPath, HOLDER, url.href, fleet.prefix, 'first'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const heard = []
    first.on('message', (message) => heard.push(message))
    await fleet.enqueue()
    await once(first, 'message')
    let begunAt = 0
    let begun = () => {}
    const again = new Promise((resolve) => (begun = resolve))
    await fleet.consume(async (claim) => {
      begunAt = Date.now()
      begun()
      return { ...sums, type: 'failed', error: fault(claim) }
    })
    await pause(21_000 + Math.random() * 5_000)
    ip('-n', name, 'link', 'set', 'eth0', 'down')
    const cutAt = Date.now()
    await again
    const after = (word) => (heard.find((message) => message.word === word)?.at ?? Number.NaN) - cutAt
    const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`
    console.log(
      `partition by a link set down: suspended after ${seconds(after('doubtful'))}, ended after ${seconds(after('fenced'))}, begun elsewhere after ${seconds(begunAt - cutAt)}`,
    )
  } finally {
    first?.kill('SIGKILL')
    forward?.close()
    execFileSync('ip', ['netns', 'del', name])
    await fleet.close()
  }
}

/** The private Redis listens on loopback alone: this carries what comes to another address of this host. */
function forwardFrom(host, port) {
  const sockets = new Set()
  const forward = createServer((from) => {
    const to = connect(port, '127.0.0.1')
    for (const socket of [from, to]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    }
    from.pipe(to).pipe(from)
  }).listen(port, host)
  return {
    ready: once(forward, 'listening'),
    close() {
      forward.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function fault({ attempt }) {
  return { code: 'OVERLOADED', message: 'bench', retryable: true, attempt, details: {} }
}

function print(what, times) {
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.ceil(share * times.length) - 1)]
  const show = (ms) => (ms > 1_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(1)} ms`)
  console.log(`${what} (n=${times.length}): p50 ${show(at(0.5))}, p99 ${show(at(0.99))}, p100 ${show(at(1))}`)
}
