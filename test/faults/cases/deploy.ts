import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { RigWorker } from '../rig/rig.js'
import { pause, streaming, type FaultCase } from './case.js'
import { allEnded, allStarted } from './worker.js'

const API_KEY = 'key-of-acme-for-faults'
const apiEnv = {
  FLEET_API_KEYS: `acme:${createHash('sha256').update(API_KEY).digest('hex')}:enqueue+read+admin`,
}

/** What operators do, and what happens to callers meanwhile. */
export const DEPLOY_CASES: FaultCase[] = [
  {
    name: 'workers restarted one after the other under load',
    injection: 'SIGTERM of each of three workers in turn, started again when it has ended; 40 jobs of up to 4 s',
    long: true,
    env: { FLEET_DRAIN_MS: '20000' },
    extraStarts: 0,
    withinMs: 15_000,
    async run(rig, random) {
      const ids = ['first', 'second', 'third']
      let workers = await Promise.all(ids.map((id) => rig.startWorker(id)))
      const jobs = await Promise.all(Array.from({ length: 40 }, () => rig.enqueue(streaming(500 + random(3_500)))))
      let longestMs = 0
      for (const [at, id] of ids.entries()) {
        await pause(random(1_500))
        const askedAt = performance.now()
        const { code } = (await workers[at]?.process.stop(40_000)) ?? {}
        if (code !== 0) throw new Error(`a worker that was asked to stop ended with ${code}`)
        longestMs = Math.max(longestMs, performance.now() - askedAt)
        const again: RigWorker = await rig.startWorker(id)
        workers = workers.with(at, again)
      }
      await allEnded(rig, jobs)
      for (const { id } of jobs) {
        const { state, attempt } = await rig.client.job(id).get()
        if (state !== 'completed' || attempt !== 1) throw new Error(`a job ended as ${state} in attempt ${attempt}`)
      }
      return longestMs
    },
  },
  {
    name: 'worker told twice to stop',
    injection: 'SIGTERM twice, of a worker with jobs of a minute and a drain time of as much',
    env: { FLEET_DRAIN_MS: '60000' },
    extraStarts: 4,
    withinMs: 10_000,
    async run(rig) {
      const first = await rig.startWorker('first')
      const jobs = await Promise.all([1, 2, 3, 4].map(() => rig.enqueue(streaming(60_000))))
      await allStarted(rig, jobs)
      first.process.signal('SIGTERM')
      await pause(1_000)
      const askedAt = performance.now()
      await first.process.stop(20_000)
      const ms = performance.now() - askedAt
      // Handed back, not failed: no attempt was charged, and nobody has to wait for a lock.
      for (const { id } of jobs) {
        const { state, attempts } = await rig.client.job(id).get()
        if (state !== 'waiting' || attempts?.at(-1)?.outcome !== 'returned')
          throw new Error(`a job is ${state}, its attempt ${attempts?.at(-1)?.outcome}`)
        await rig.client.job(id).cancel()
      }
      return ms
    },
  },
  {
    name: 'API killed while callers repeat their calls',
    injection: 'kill -9 of the API eight times at random moments; 20 callers a key, 25 keys, until each is answered',
    long: true,
    extraStarts: 0,
    async run(rig, random) {
      await rig.startWorker('first')
      const api = await rig.startApi({ ...apiEnv, FLEET_API_PORT: '0' })
      const keys = Array.from({ length: 25 }, () => randomBytes(8).toString('hex'))
      const calls = Promise.all(keys.map((key) => raced(api.url, key)))
      let current = api
      for (let kills = 0; kills < 8; kills += 1) {
        await pause(random(600))
        current.process.signal('SIGKILL')
        await current.process.ended
        current = await rig.startApi({ ...apiEnv, FLEET_API_PORT: new URL(api.url).port })
      }
      const ids = await calls
      rig.acked.push(...ids.map((id, at) => ({ id, tag: keys[at] ?? '' })))
      await allEnded(rig, rig.acked)
      const { items } = await rig.client.jobs({ limit: 100 })
      if (items.length !== keys.length) throw new Error(`${keys.length} keys made ${items.length} jobs`)
      const other = await post(api.url, keys[0] ?? '', 'another prompt')
      if (other?.status !== 422) throw new Error(`the key of another body was answered ${other?.status}`)
      return undefined
    },
  },
]

const acceptedSchema = z.object({ id: z.string() })

/** 20 callers with one key and body, each until it is answered. All must hear of one job. */
async function raced(url: string, key: string): Promise<string> {
  const ids = await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let tries = 0; tries < 600; tries += 1) {
        const answer = await post(url, key, `${key} [[text:done]]`)
        if (answer?.status === 200 || answer?.status === 202) return acceptedSchema.parse(answer.json).id
        if (answer !== undefined && answer.status !== 503 && answer.status !== 429)
          throw new Error(`${answer.status} ${JSON.stringify(answer.json)}`)
        await pause(100)
      }
      throw new Error('a call was never answered')
    }),
  )
  if (new Set(ids).size !== 1) throw new Error(`one key made several jobs: ${[...new Set(ids)].join(', ')}`)
  return ids[0] ?? ''
}

/** Undefined: nobody answered. */
async function post(url: string, key: string, prompt: string): Promise<{ status: number; json: unknown } | undefined> {
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', 'idempotency-key': key }
  try {
    const reply = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify({ prompt }) })
    return { status: reply.status, json: await reply.json() }
  } catch {
    return undefined
  }
}
