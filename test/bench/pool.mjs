/**
 * What the session pool is worth, measured: `node test/bench/pool.mjs [first-text] [throughput] [endurance]` (all by default),
 * after a build. The model is the simulator and answers at once. `first-text`: from the call to the first text, medians, the arms
 * in turn within each of 30 rounds: `claude -p`, the official Agent SDK (installed into a temporary folder at first use), ours over
 * HTTP and Server-Sent Events. `throughput`: 200 prompts on two slots beside `xargs -P2 claude -p`. `endurance`: 1,000 jobs.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { FleetClient } from '@claude-fleet/client'
import { createSessionPool, createSessionStarter, findClaude } from '@claude-fleet/claude'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { startSimulator } from '@claude-fleet/simulator'

const SDK = '@anthropic-ai/claude-agent-sdk'
const SDK_VERSION = '0.3.330'
const CLAUDE_FLEET = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'claude-fleet.mjs')
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 30)
const PATH = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`
const never = new AbortController().signal

const root = mkdtempSync(join(tmpdir(), 'bench-pool-'))
const model = await startSimulator()
const claude = await findClaude({ path: PATH, resolveFrom: [join(import.meta.dirname, '..', '..')] })
const claudeEnv = {
  PATH,
  HOME: folder('home'),
  ANTHROPIC_BASE_URL: model.url,
  ANTHROPIC_API_KEY: 'key-of-the-bench',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_AUTOUPDATER: '1',
}
const redis = await startEmbeddedRedis({ dataDir: folder('redis'), cacheDir: join(tmpdir(), 'redis-server') })

const all = { 'first-text': firstText, throughput, endurance }
const chosen = process.argv.slice(2)
try {
  for (const [name, measure] of Object.entries(all)) if (chosen.length === 0 || chosen.includes(name)) await measure()
  console.log(`\nNode ${process.version}, claude ${claude.version}, ${cpus().length} cores (${cpus()[0].model})`)
} finally {
  await redis.stop()
  await model.close()
  rmSync(root, { recursive: true })
}
process.exit()

async function firstText() {
  const fleet = await startFleet({ FLEET_CONCURRENCY: '2', FLEET_SPARES: '4' })
  const sdk = await loadSdk()
  const direct = await openDirect()
  const arms = {
    'claude -p': () => timedCli(),
    'SDK query()': () => timedSdk((prompt) => sdk.query({ prompt, options: sdkOptions() })),
    'SDK startup()': async () => {
      const warm = await sdk.startup({ options: sdkOptions() })
      return timedSdk((prompt) => warm.query(prompt))
    },
    'SDK prewarm()': async () => {
      const { cwd, ...options } = sdkOptions()
      const spare = await sdk.prewarm({ options })
      return timedSdk((prompt) => spare.claim({ prompt, options: { cwd } }))
    },
    'a turn on a used process, stdin to stdout': () => direct.timed(),
    'fleet, reused': () => fleet.timed({ prompt: 'x' }, 'reused'),
    'fleet, reused, over Redis': () => fleet.timed({ prompt: 'x' }, 'reused', 'redis'),
    'fleet, spare': async () => {
      // One process of the key is busy and both are cancelled, so that none of it ever serves again: the next has a spare.
      const job = { systemPrompt: 'Spares.', prompt: '[[bytes:400]][[slow:80,100]] long' }
      const holding = await fleet.begin(job)
      await fleet.untilSpares()
      const { id, ms, got } = await fleet.firstText(job)
      await Promise.all([fleet.cancel(holding), fleet.cancel(id)])
      return got === 'spare' ? ms : undefined
    },
    'fleet, cold': (round) => fleet.timed({ prompt: 'x', appendSystemPrompt: `Round ${round}.` }, 'cold'),
  }
  await fleet.timed({ prompt: 'x' })
  const times = Object.fromEntries(Object.keys(arms).map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, arm] of Object.entries(arms)) {
      const ms = await arm(round)
      if (ms !== undefined) times[name].push(ms)
    }
  }
  await direct.close()
  await fleet.close()
  const cold = median(times['claude -p'])
  console.log(`\nfirst text, ms: median of ${ROUNDS} (p90), and as a part of \`claude -p\``)
  for (const [name, list] of Object.entries(times)) {
    const part = (median(list) / cold).toFixed(2)
    console.log(
      `${name.padEnd(44)} ${round1(median(list))} (${round1(quantile(list, 0.9))})  ${part}  n=${list.length}`,
    )
  }
  const own = median(times['fleet, reused']) - median(times['a turn on a used process, stdin to stdout'])
  console.log(`the fleet's own part: ${round1(own)} ms`)
}

async function throughput() {
  const count = Number(process.env.BENCH_PROMPTS ?? 200)
  const prompts = Array.from({ length: count }, (_, index) => `prompt ${index}`)
  let begun = performance.now()
  const cwd = folder('xargs')
  const xargs = spawn('xargs', ['-P2', '-d', '\n', '-n1', claude.file, '-p', '--setting-sources='], {
    env: claudeEnv,
    cwd,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  xargs.stdin.end(prompts.join('\n'))
  await once(xargs, 'exit')
  const theirs = performance.now() - begun
  const fleet = await startFleet({ FLEET_CONCURRENCY: '2' })
  begun = performance.now()
  const { items } = await fleet.call('POST', '/v1/jobs/batch', { jobs: prompts.map((prompt) => ({ prompt })) })
  await Promise.all(items.map(({ id }) => fleet.ended(id)))
  const ours = performance.now() - begun
  const jobs = await Promise.all(items.map(({ id }) => fleet.call('GET', `/v1/jobs/${id}`)))
  const counted = {}
  for (const { result } of jobs) counted[result.start] = (counted[result.start] ?? 0) + 1
  const hits = count - (counted.cold ?? 0)
  console.log(
    `\n${count} prompts on two slots: xargs -P2 claude -p ${round1(theirs / 1e3)} s, the fleet ${round1(ours / 1e3)} s, a part of`,
  )
  console.log(
    `${(ours / theirs).toFixed(2)}; starts ${JSON.stringify(counted)}, hit rate ${((100 * hits) / count).toFixed(1)} %`,
  )
  await fleet.close()
}

async function endurance() {
  const count = Number(process.env.BENCH_JOBS ?? 1_000)
  const fleet = await startFleet({ FLEET_CONCURRENCY: '2' })
  const samples = []
  for (let done = 0; done < count; done += 50) {
    const jobs = Array.from({ length: 50 }, (_, index) => ({ prompt: `job ${done + index}` }))
    const { items } = await fleet.call('POST', '/v1/jobs/batch', { jobs })
    await Promise.all(items.map(({ id }) => fleet.ended(id)))
    samples.push({
      jobs: done + 50,
      rss: rssOf(fleet.workerPid) / 1e6,
      files: readdirSync(`/proc/${fleet.workerPid}/fd`).length,
    })
  }
  const settled = samples.slice(Math.floor(samples.length / 4))
  const first = settled[0]
  const last = settled.at(-1)
  console.log(
    `\n${count} jobs, the first quarter left out: worker memory ${round1(first.rss)} to ${round1(last.rss)} MB,`,
  )
  console.log(
    `slope ${slope(settled, 'rss').toFixed(2)} MB, files ${first.files} to ${last.files}, slope ${slope(settled, 'files').toFixed(3)}, each for 100 jobs`,
  )
  await fleet.close()
  console.log(`processes left: ${processesNaming(root).length}`)
}

/** An API and a worker as processes, and calls to them. */
async function startFleet(env) {
  const prefix = `b${process.pid}x${Math.floor(performance.now())}`
  const shared = { PATH, HOME: claudeEnv.HOME, REDIS_URL: redis.url, FLEET_PREFIX: prefix, FLEET_LOG_LEVEL: 'warn' }
  const api = start(['api'], { ...shared, FLEET_API_PORT: '0' })
  const worker = start(['worker'], {
    ...shared,
    ...env,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: 'key-of-the-bench',
    FLEET_WORKER_ID: 'bench',
    FLEET_WORKSPACE_ROOT: folder('workspaces'),
    FLEET_STATE_DIR: folder('state'),
  })
  const [url] = await Promise.all([
    api.said((message) => message.url),
    worker.said((message) => message.type === 'ready'),
  ])
  const call = async (method, path, body) => {
    const reply = await fetch(url + path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`)
    return reply.json()
  }
  const client = await FleetClient.connect({ redis: redis.url, prefix, tenant: 'default' })
  async function* events(id) {
    const reply = await fetch(`${url}/v1/jobs/${id}/events`)
    let text = ''
    for await (const chunk of reply.body.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const parts = text.split('\n\n')
      text = parts.pop()
      for (const part of parts) {
        const data = /^data: ?(.*)$/m.exec(part)?.[1]
        if (data !== undefined) yield JSON.parse(data)
      }
    }
  }
  return {
    workerPid: worker.pid,
    call,
    /** ms from the call to the first text; undefined when the start was of another kind. */
    async timed(job, kind, over = 'http') {
      const begun = performance.now()
      const stream =
        over === 'redis' ? (await client.enqueue(job)).events() : events((await call('POST', '/v1/jobs', job)).id)
      let ms
      let got
      for await (const event of stream) {
        if (event.type === 'started') got = event.start
        if (event.type === 'text') ms ??= performance.now() - begun
        if (event.type === 'failed') throw new Error(JSON.stringify(event.error))
      }
      // Until the process is ready again or gone, so that the next arm has the host for itself.
      await pause(150)
      if (kind !== undefined && got !== kind) console.log(`not counted: a start was ${got}, not ${kind}`)
      return kind === undefined || got === kind ? ms : undefined
    },
    async begin(job) {
      return (await this.firstText(job)).id
    },
    async firstText(job) {
      const begun = performance.now()
      const { id } = await call('POST', '/v1/jobs', job)
      let got
      for await (const event of events(id)) {
        if (event.type === 'started') got = event.start
        if (event.type === 'text') return { id, got, ms: performance.now() - begun }
      }
      throw new Error('it ended without a text')
    },
    async ended(id) {
      for (;;) if ((await call('GET', `/v1/jobs/${id}/result?wait=60`)).finishedAt !== undefined) return
    },
    async cancel(id) {
      await call('DELETE', `/v1/jobs/${id}`)
      await this.ended(id)
      await pause(300)
    },
    async untilSpares() {
      // The heartbeat that tells of spares is slow; a start takes well under this.
      await pause(2_500)
    },
    async close() {
      await client.close()
      await worker.stop()
      await api.stop()
    },
  }
}

function start(args, env) {
  const child = spawn(process.execPath, [CLAUDE_FLEET, ...args], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return {
    pid: child.pid,
    async said(pick) {
      for (;;) {
        const [message] = await once(child, 'message')
        const found = pick(message)
        if (found) return found
      }
    },
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

/** ms from the spawn to the first text of `claude -p`. */
async function timedCli() {
  const cwd = folder('cli')
  const begun = performance.now()
  const args = [
    '-p',
    '--output-format=stream-json',
    '--verbose',
    '--include-partial-messages',
    '--setting-sources=',
    'x',
  ]
  const child = spawn(claude.file, args, { env: claudeEnv, cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  let ms
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.includes('"text_delta"')) ms ??= performance.now() - begun
  })
  await once(child, 'close')
  return ms
}

function sdkOptions() {
  return {
    pathToClaudeCodeExecutable: claude.file,
    cwd: folder('sdk'),
    env: claudeEnv,
    includePartialMessages: true,
    settingSources: [],
  }
}

async function timedSdk(ask) {
  const begun = performance.now()
  let ms
  for await (const message of ask('x')) {
    if (message.type === 'stream_event' && message.event.delta?.type === 'text_delta') ms ??= performance.now() - begun
    if (message.type === 'result') break
  }
  await pause(150)
  return ms
}

async function loadSdk() {
  const home = join(tmpdir(), `claude-fleet-bench-sdk-${SDK_VERSION}`)
  const entry = join(home, 'node_modules', SDK, 'sdk.mjs')
  if (!existsSync(entry)) {
    mkdirSync(home, { recursive: true })
    // Without its optional packages, which are the claude binary once more: it is given ours.
    const args = ['install', '--no-save', '--omit=optional', '--no-audit', '--no-fund', `${SDK}@${SDK_VERSION}`]
    execFileSync('npm', args, { cwd: home, stdio: 'ignore' })
  }
  return import(pathToFileURL(entry))
}

/** A pool in this process: what a turn on a used process costs without any fleet around it. */
async function openDirect() {
  const startSession = await createSessionStarter({ claude, path: PATH })
  const pool = createSessionPool({ startSession }, { max: 1, idleMs: 600_000 })
  const { PATH: _path, HOME: _home, ...env } = claudeEnv
  const spec = {
    tenant: 'bench',
    cwd: folder('direct'),
    home: folder('direct-home'),
    credential: 'default',
    env,
    permissionMode: 'dontAsk',
    trustWorkspace: false,
  }
  const timed = async () => {
    const lease = await pool.acquire(spec, { signal: never })
    const begun = performance.now()
    let ms
    for await (const message of lease.session.turn('x', { signal: never, timeoutMs: 60_000, idleTimeoutMs: 60_000 })) {
      if (message.type === 'text') ms ??= performance.now() - begun
    }
    await lease.release()
    return lease.start === 'reused' ? ms : undefined
  }
  await timed()
  return { timed, close: () => pool.stop() }
}

function folder(name) {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  return path
}

function rssOf(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1_024
}

function processesNaming(text) {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    try {
      const said = readFileSync(`/proc/${pid}/environ`, 'latin1') + readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      return said.includes(text) && said.includes('claude') && !said.includes('redis-server')
    } catch {
      return false
    }
  })
}

/** Least squares, for 100 jobs. */
function slope(samples, field) {
  const mean = (of) => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length
  const [x, y] = [mean((sample) => sample.jobs), mean((sample) => sample[field])]
  const over = mean((sample) => (sample.jobs - x) * (sample[field] - y))
  return (100 * over) / mean((sample) => (sample.jobs - x) ** 2)
}

function quantile(list, part) {
  const sorted = list.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
}

function median(list) {
  return quantile(list, 0.5)
}

function round1(value) {
  return value === undefined ? '-' : value.toFixed(1)
}
