import { isEndState } from '@claude-fleet/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, openFleet, SHORT_LOCKS, specOf, stopped, TENANT, USAGE, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import { within } from '../redis/deadline.js'
import type { AttemptOutcome, Claim } from '../types.js'

/** The long form: `ORDER_RUNS=200 node_modules/.bin/vitest run packages/queue/src/admission/order`. */
const RUNS = Number(process.env['ORDER_RUNS'] ?? 4)
const SEED = process.env['ORDER_SEED']
const RUN_MS = 60_000
const SUMS = { costUsd: 0.5, usage: USAGE, tools: {} }

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => {
  server = await startTestRedis()
  fleet = await openFleet(server.url)
  for (const workerId of ['w1', 'w2', 'w3']) {
    await fleet.consume((claim) => run(claim, workerId), { workerId, concurrency: 3, timing: SHORT_LOCKS })
  }
})
afterAll(async () => {
  await fleet.close()
  await server.stop()
})

const kinds = ['ok', 'ok', 'ok', 'fail', 'retry', 'later', 'park', 'return', 'lose', 'until cancelled'] as const
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('enqueue' as const),
        session: fc.nat(3),
        kind: fc.constantFrom(...kinds),
        delayMs: fc.constantFrom(0, 0, 0, 30),
        priority: fc.constantFrom(0, 0, 5),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('batch' as const), session: fc.nat(3), count: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('breathe' as const), ms: fc.nat(15) }) },
  ),
  { minLength: 20, maxLength: 60 },
)
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never

interface Turn {
  id: string
  session: string
  kind: (typeof kinds)[number]
}
const turns = new Map<string, Turn>()
/** In order of enqueueing. */
const sessions = new Map<string, string[]>()
const running = new Map<string, string>()
const seen = { ran: 0, lost: 0, cancelled: 0, held: 0 }
const faults: string[] = []

test('whatever is enqueued, fails, waits, is cancelled or loses its worker: turns of a session run in order, one at a time', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (todo) => within(RUN_MS, play(todo), 'the run hangs')),
    { numRuns: RUNS, endOnFailure: true, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
  )
  // Of few runs not each needs to have all of it.
  expect(RUNS < 10 ? seen.ran : Math.min(...Object.values(seen))).toBeGreaterThan(0)
}, 1_800_000)

async function play(todo: readonly Step[]): Promise<void> {
  const { client, keys, producer } = fleet
  turns.clear()
  sessions.clear()
  const names = await Promise.all([0, 1, 2, 3].map(async () => (await fleet.session()).id))
  const add = (session: string, id: string, kind: Turn['kind']) => {
    turns.set(id, { id, session, kind })
    sessions.set(session, [...(sessions.get(session) ?? []), id])
  }
  for (const step of todo) {
    if (step.do === 'breathe') await new Promise((resolve) => setTimeout(resolve, step.ms))
    else if (step.do === 'cancel') await producer.cancel(TENANT, [...turns.keys()][step.which % turns.size] ?? '', 'so')
    else if (step.do === 'batch') {
      const session = names[step.session] ?? ''
      const items = Array.from({ length: step.count + 1 }, () => ({
        spec: specOf({ session, metadata: { kind: 'ok' } }),
      }))
      const made = await producer.enqueueBatch({ tenant: TENANT, items })
      for (const { id } of made.items) add(session, id, 'ok')
    } else {
      const { kind, delayMs, priority } = step
      const session = names[step.session] ?? ''
      const { id } = await fleet.enqueue({ session, delayMs, priority, metadata: { kind }, attempts: 4 })
      add(session, id, kind)
      if ((await client.hexists(keys.job(id), 'hold')) === 1) seen.held += 1
    }
  }
  for (const { id, kind } of turns.values()) if (kind === 'until cancelled') await producer.cancel(TENANT, id, 'so')
  for (const { id } of turns.values()) {
    const view = await fleet.ended(id)
    if (!isEndState(view?.state ?? 'waiting')) {
      const record = await client.hgetall(keys.job(id))
      throw new Error(`${id} is stuck: ${JSON.stringify(record)} ${await client.zscore(keys.bull('delayed'), id)}`)
    }
    if (view?.state === 'cancelled') seen.cancelled += 1
  }
  expect(faults).toEqual([])
  const left = await Promise.all([client.zcard(keys.held), client.scard(keys.promote)])
  expect(left).toEqual([0, 0])
  for (const session of names) {
    expect(await client.exists(keys.sessionTurns(session))).toBe(0)
    const record = await client.hgetall(keys.session(session))
    expect([record['state'], record['job']]).toEqual(['idle', undefined])
  }
}

async function run(claim: Claim, workerId: string): Promise<AttemptOutcome> {
  const { client, keys } = fleet
  const kind = claim.spec.metadata['kind'] as Turn['kind']
  const session = claim.spec.session ?? ''
  seen.ran += 1
  // The record knows more than the driver, whose call may not have returned.
  const before = (await client.zrange(keys.sessionTurns(session), '0', '-1')).indexOf(claim.jobId)
  const other = running.get(session)
  if (before > 0) faults.push(`${claim.jobId} runs and ${before} turns are before it`)
  if (other !== undefined && other !== claim.jobId) faults.push(`${claim.jobId} runs beside ${other}`)
  const all = sessions.get(session) ?? []
  const earlier = all.slice(0, Math.max(0, all.indexOf(claim.jobId)))
  for (const id of earlier) if ((await client.hexists(keys.job(id), 'seal')) === 0) faults.push(`${id} has not ended`)
  running.set(session, claim.jobId)
  const record = await client.hgetall(keys.session(session))
  if (record['job'] !== claim.jobId && !claim.signal.aborted && kind !== 'lose')
    faults.push(`${claim.jobId} is not the turn`)
  if (kind !== 'lose' && record['worker'] !== workerId && !claim.signal.aborted) faults.push('of another worker')
  try {
    return await outcomeOf(claim, kind)
  } finally {
    if (running.get(session) === claim.jobId) running.delete(session)
  }
}

async function outcomeOf(claim: Claim, kind: Turn['kind']): Promise<AttemptOutcome> {
  const { attempt } = claim
  const error = { code: 'OVERLOADED' as const, message: 'busy', retryable: true, attempt, details: {} }
  if (claim.signal.aborted) return { ...SUMS, type: 'cancelled', reason: 'so' }
  if (kind === 'until cancelled') {
    await stopped(claim)
    return claim.signal.reason.kind === 'fenced'
      ? { ...SUMS, type: 'fenced' }
      : { ...SUMS, type: 'cancelled', reason: 'so' }
  }
  if (kind === 'fail') return { ...SUMS, type: 'failed', error }
  if (attempt > 1) return completed(claim)
  if (kind === 'retry') return { ...SUMS, type: 'retry', error, delayMs: 0 }
  if (kind === 'later') return { ...SUMS, type: 'retry', error, delayMs: 20 }
  if (kind === 'park') return { ...SUMS, type: 'parked', error, resumesAt: Date.now() + 20 }
  if (kind === 'return') return { ...SUMS, type: 'returned', delayMs: 0, reason: 'drain' }
  if (kind === 'lose') {
    // As a worker that died: its lock lapses, and what it still does comes too late.
    seen.lost += 1
    await fleet.client.set(`${fleet.keys.bullJob(claim.jobId)}:lock`, 'of nobody', 'PX', 350)
    await stopped(claim)
    return { ...SUMS, type: 'fenced' }
  }
  return completed(claim)
}
