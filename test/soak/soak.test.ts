import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { isEndState, type JobView } from '@claude-fleet/core'
import { FleetClient } from '@claude-fleet/client'
import { expect, test } from 'vitest'
import { checkFaults } from '../faults/rig/checker.js'
import { startRig, type RigWorker } from '../faults/rig/rig.js'
import { makeFolder } from '../support/folder.js'
import { createRandom } from '../support/random.js'
import { accountsOf } from './accounts.js'
import { conversationsOf } from './conversations.js'
import { keysLeft, levelOf, memoryOfRedis, type Level } from './leftovers.js'
import { startLoad } from './load.js'
import { startReceiver } from './receiver.js'
import { liveOf, storm } from './storm.js'

// `npm run soak` sets these.
const minutes = Number(process.env['SOAK_MINUTES'] ?? 2)
const seed = Number(process.env['SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const report = process.env['SOAK_REPORT']

const WORKERS = ['w1', 'w2', 'w3', 'w4']
const SESSIONS = 3
const QUIET_MS = 4_000
const SETTLE_MS = 300_000
const API_KEY = 'key-of-acme-for-the-soak'
/** A process may hold so much more than when it was ready: pools fill, connections are made when they are first needed. */
const MORE_DESCRIPTORS = 24
const MOST_RESIDENT_MB = 400
const MORE_REDIS_BYTES = 16 * 1_048_576

test(`a soak of ${minutes} minutes, seed ${seed}, ${availableParallelism()} cores`, async () => {
  const random = createRandom(seed)
  const folder = await makeFolder()
  await using receiver = await startReceiver()
  const credentials = join(folder.path, 'credentials.json')
  const limited = { env: { ANTHROPIC_API_KEY: 'sk-of-the-limited' } }
  await writeFile(credentials, JSON.stringify({ limited }), { mode: 0o600 })
  const retentionMs = String(Math.round(minutes * 60_000) + 2 * SETTLE_MS)
  const shared = { FLEET_RETENTION_MS: retentionMs }
  await using rig = await startRig({
    env: { ...shared, FLEET_CONCURRENCY: '3', FLEET_DRAIN_MS: '8000', FLEET_CREDENTIALS_FILE: credentials },
  })
  const apiEnv = {
    ...shared,
    FLEET_API_KEYS: `acme:${createHash('sha256').update(API_KEY).digest('hex')}:enqueue+read+admin`,
    FLEET_WEBHOOK_KEY: randomBytes(32).toString('hex'),
    FLEET_WEBHOOK_ALLOW: '127.0.0.1',
  }
  let api = await rig.startApi({ ...apiEnv, FLEET_API_PORT: '0' })
  const { url } = api
  const levels = new Map<number, Level>()
  const startWorker = async (id: string, env = {}): Promise<RigWorker> => {
    const worker = await rig.startWorker(id, undefined, env)
    levels.set(worker.process.pid, levelOf(worker.process.pid))
    return worker
  }
  const restartApi = async (env = {}) => {
    api.process.signal('SIGKILL')
    await api.process.ended
    api = await rig.startApi({ ...apiEnv, ...env, FLEET_API_PORT: new URL(url).port })
    levels.set(api.process.pid, levelOf(api.process.pid))
  }
  await Promise.all(WORKERS.map((id) => startWorker(id)))
  const http = await FleetClient.connect({ url, apiKey: API_KEY })
  const schedule = await http.schedules.create({ cron: '* * * * *', job: { prompt: 'scheduled [[text:done]]' } })
  const hook = await http.webhooks.create({ url: receiver.url })
  const conversations = await Promise.all(Array.from({ length: SESSIONS }, () => http.sessions.create()))
  const sessions = conversations.map(({ id }) => id)
  const redisBytes = await memoryOfRedis(rig)

  const begunAt = Date.now()
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), minutes * 60_000)
  const { acked } = rig
  const load = startLoad({ url, apiKey: API_KEY, random: createRandom(seed + 1), acked, sessions }, over.signal)
  const note = (fault: string) => console.log(`${((Date.now() - begunAt) / 1_000).toFixed(1)} s: ${fault}`)
  const faults = await storm({ rig, random, startWorker, restartApi, note }, { quietMs: QUIET_MS, signal: over.signal })
  clearTimeout(timer)
  await load.done
  await http.schedules.delete(schedule.id)
  const { lost, ends, streams, unexplained, overlaps, ...found } = await checkFaults(rig, { settleMs: SETTLE_MS })

  const views = new Map<string, JobView>()
  for (const { id } of rig.acked) views.set(id, await rig.client.job(id).get())
  const scheduled = (await allJobs(http)).filter((job) => job.schedule === schedule.id)
  const checkedAt = Date.now()
  const accounts = accountsOf(rig, views)
  const { order, memory, ...turns } = conversationsOf(rig, load.turns, views)
  const untold = () => [...views.keys()].filter((id) => !receiver.told.has(id))
  await rig.until('every end was told to the webhook', () => untold().length === 0, SETTLE_MS).catch(() => undefined)
  note(`checked; ${untold().length} ends were told to nobody ${Date.now() - checkedAt} ms after`)
  const running = [...liveOf(rig).map(({ process }) => process.pid), api.process.pid]
  const grown = running.map((pid) => ({ pid, before: levels.get(pid), after: levelOf(pid) }))

  // What is kept is kept for its time alone: a worker with hardly any takes the rest out.
  // The API may close a connection that nobody used just as it is used again, and a DELETE is not repeated by the client.
  await http.webhooks.delete(hook.id).catch(() => http.webhooks.delete(hook.id))
  await restartApi({ FLEET_RETENTION_MS: '1000' })
  for (const id of sessions) await http.sessions.close(id)
  await Promise.all(liveOf(rig).map(({ process }) => process.stop(30_000)))
  await startWorker('keeper', { FLEET_RETENTION_MS: '1000' })
  await rig.until('nothing is kept', async () => (await keysLeft(rig)).length === 0, SETTLE_MS).catch(() => undefined)
  const keys = await keysLeft(rig)
  const redisMore = (await memoryOfRedis(rig)) - redisBytes
  await http.close()
  const left = [...found.left, ...(await rig.stop())]
  await folder.remove()

  const overhead = (100 * accounts.byFaults) / accounts.useful
  const figures = {
    seed,
    minutes,
    faults,
    load: load.figures,
    jobs: found.jobs,
    scheduled: scheduled.length,
    prompts: found.starts,
    extra: accounts.extra,
    overheadPercent: Number(overhead.toFixed(1)),
    costUsd: accounts.costUsd,
    lostUsd: accounts.lostUsd,
    sessions: turns,
    webhooks: receiver.told.size,
    grown,
    redisMoreBytes: redisMore,
  }
  console.log(JSON.stringify(figures, null, 2))
  if (report !== undefined) await writeFile(report, `${JSON.stringify(figures)}\n`)

  expect({
    lost,
    ends,
    streams,
    unexplained: [...unexplained, ...accounts.unexplained],
    overlaps,
    order,
    memory,
    left,
    keys,
  }).toEqual({
    lost: [],
    ends: [],
    streams: [],
    unexplained: [],
    overlaps: [],
    order: [],
    memory: [],
    left: [],
    keys: [],
  })
  expect(scheduled.filter((job) => !isEndState(job.state))).toEqual([])
  expect(untold()).toEqual([])
  for (const { before, after } of grown) {
    if (before !== undefined) expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + MORE_DESCRIPTORS)
    expect(after.residentMb).toBeLessThan(MOST_RESIDENT_MB)
  }
  expect(redisMore).toBeLessThan(MORE_REDIS_BYTES)
})

async function allJobs(fleet: FleetClient): Promise<JobView[]> {
  const all: JobView[] = []
  for (let cursor: string | undefined; ;) {
    const { items, nextCursor } = await fleet.jobs({ limit: 100, ...(cursor === undefined ? {} : { cursor }) })
    all.push(...items)
    if (nextCursor === undefined) return all
    cursor = nextCursor
  }
}
