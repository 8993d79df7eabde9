import { isEndState, type TenantLimits } from '@claude-fleet/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, openFleet, SHORT_LOCKS, specOf, stopped, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { within } from '../redis/deadline.js'
import type { AttemptOutcome, Claim } from '../types.js'
import { createLimits } from './limits.js'

/** The long form: `SHARES_RUNS=200 node_modules/.bin/vitest run packages/queue/src/admission/shares.property`. */
const RUNS = Number(process.env['SHARES_RUNS'] ?? 2)
const SEED = process.env['SHARES_SEED']
const RUN_MS = 60_000
const TENANTS = ['acme', 'beta', 'ceta'] as const
const SUMS = { costUsd: 0.5, usage: USAGE, tools: {} }

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())

const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('enqueue' as const),
        tenant: fc.constantFrom(...TENANTS),
        kind: fc.constantFrom('ok', 'ok', 'ok', 'fail', 'retry', 'later', 'lose'),
        priority: fc.constantFrom(0, 0, 5),
        count: fc.constantFrom(1, 1, 6),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('breathe' as const), ms: fc.nat(15) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), most: fc.integer({ min: 1, max: 4 }) }) },
  ),
  { minLength: 20, maxLength: 60 },
)
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never

interface Job {
  id: string
  tenant: string
  kind: string
  priority: number
}
const seen = { ran: 0, lost: 0, cancelled: 0, held: 0 }

test('whatever is enqueued, fails, is cancelled or loses its worker: no tenant has more than it may, and none is stuck', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (todo) => within(RUN_MS, play(todo), 'the run hangs')),
    { numRuns: RUNS, endOnFailure: true, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
  )
  // Of few runs not each needs to have all of it.
  expect(RUNS < 10 ? seen.ran : Math.min(...Object.values(seen))).toBeGreaterThan(0)
}, 1_800_000)

async function play(todo: readonly Step[]): Promise<void> {
  fleet = await openFleet(server.url)
  const { client, keys, producer, prefix } = fleet
  const limits = createLimits({ redis: fleet.redis }, { prefix })
  const jobs: Job[] = []
  const faults: string[] = []
  const began: string[] = []
  /** What each tenant may have at most, since the limits change on the way. */
  let most = 4
  const publish = (cap: number) => {
    const all: [string, TenantLimits][] = TENANTS.map((tenant, at) => [tenant, { weight: at + 1, maxConcurrent: cap }])
    return limits.publish(new Map(all))
  }
  await publish(most)
  await client.set(`${prefix}:window`, 6)

  async function run(claim: Claim): Promise<AttemptOutcome> {
    seen.ran += 1
    if (claim.attempt === 1) began.push(claim.jobId)
    const active = await client.zcard(keys.state(claim.tenant, 'active'))
    if (active > most) faults.push(`${claim.tenant} has ${active} running`)
    const { attempt } = claim
    const kind = claim.spec.metadata['kind']
    const error = { code: 'OVERLOADED' as const, message: 'busy', retryable: true, attempt, details: {} }
    if (claim.signal.aborted) return { ...SUMS, type: 'cancelled', reason: 'so' }
    if (kind === 'fail') return { ...SUMS, type: 'failed', error }
    if (attempt > 1 || kind === 'ok') return completed(claim)
    if (kind === 'retry') return { ...SUMS, type: 'retry', error, delayMs: 0 }
    if (kind === 'later') return { ...SUMS, type: 'retry', error, delayMs: 20 }
    seen.lost += 1
    await client.set(`${keys.bullJob(claim.jobId)}:lock`, 'of nobody', 'PX', 350)
    await stopped(claim)
    return { ...SUMS, type: 'fenced' }
  }

  for (const workerId of ['w1', 'w2']) await fleet.consume(run, { workerId, concurrency: 4, timing: SHORT_LOCKS })
  try {
    for (const step of todo) {
      if (step.do === 'breathe') await new Promise((resolve) => setTimeout(resolve, step.ms))
      else if (step.do === 'publish') {
        await publish(step.most)
        // What runs already goes on.
        most = Math.max(most, step.most)
      } else if (step.do === 'cancel') {
        const job = jobs[step.which % Math.max(1, jobs.length)]
        if (job !== undefined) await producer.cancel(job.tenant, job.id, 'so')
      } else {
        const { tenant, kind, priority, count } = step
        const spec = specOf({ priority, attempts: 4, metadata: { kind } })
        const made = await producer.enqueueBatch({ tenant, items: Array.from({ length: count }, () => ({ spec })) })
        for (const { id } of made.items) {
          jobs.push({ id, tenant, kind, priority })
          if ((await client.hget(keys.job(id), 'hold')) === 'share') seen.held += 1
        }
      }
    }
    for (const { id, tenant } of jobs) {
      const signal = new AbortController().signal
      const view = await fleet.reader.waitForEnd(tenant, id, { waitMs: 20_000, signal })
      if (!isEndState(view?.state ?? 'waiting')) {
        throw new Error(`${id} is stuck: ${JSON.stringify(await client.hgetall(keys.job(id)))}`)
      }
      if (view?.state === 'cancelled') seen.cancelled += 1
    }
    expect(faults).toEqual([])
    const kinds = (await client.keys(`${prefix}:*`)).map((key) => key.slice(prefix.length + 1).split(':')[0])
    for (const kind of ['share', 'ready', 'promote', 'reserved', 'places']) expect(kinds).not.toContain(kind)
    expect(began.length).toBe(new Set(began).size)
  } finally {
    await fleet.close()
  }
}
