import { randomBytes, randomUUID } from 'node:crypto'
import { NO_USAGE } from '@claude-fleet/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { completed, openFleet, type TestFleet } from '../testing/fleet.js'
import { startTestRedis, type TestRedis } from '../testing/redis.js'
import type { AttemptOutcome, Claim, TranscriptRows, TranscriptState } from '../types.js'

let server: TestRedis
let fleet: TestFleet
beforeAll(async () => void (server = await startTestRedis()))
afterAll(() => server.stop())
beforeEach(async () => void (fleet = await openFleet(server.url)))
afterEach(() => fleet.close())

const claudeId = randomUUID()
const row = (text: string) => JSON.stringify({ type: 'user', text })
const error = { code: 'NETWORK' as const, message: 'cut', retryable: true, attempt: 1, details: {} }
const spent = { costUsd: 0, usage: NO_USAGE, tools: {} }
const retry: AttemptOutcome = { ...spent, type: 'retry', error, delayMs: 0 }
const failed: AttemptOutcome = { ...spent, type: 'failed', error }

interface Seen {
  state: TranscriptState | undefined
  rows: TranscriptRows
}

/** Runs attempts one after the other: what each finds, what it appends, how it ends. */
async function attempts(steps: ((claim: Claim) => Promise<AttemptOutcome>)[], options = {}): Promise<Seen[]> {
  const seen: Seen[] = []
  await fleet.consume(
    async (claim) => {
      seen.push({ state: await claim.transcript.state(), rows: await claim.transcript.load() })
      return (await steps.shift()?.(claim)) ?? failed
    },
    { concurrency: 1, ...options },
  )
  return seen
}

test('a later attempt of a job finds what an earlier one has mirrored, and its end leaves nothing', async () => {
  const job = await fleet.enqueue()
  const seen = await attempts([
    async ({ transcript }) => {
      expect(await transcript.append(claudeId, [row('a')], { anew: false })).toBe('ok')
      expect(await transcript.append(claudeId, [row('b'), row('c')], { anew: false })).toBe('ok')
      return retry
    },
    async ({ transcript }) => {
      expect(await transcript.append(claudeId, [row('a'), row('d')], { anew: true })).toBe('ok')
      return retry
    },
    async (claim) => completed(claim),
  ])
  await fleet.ended(job.id)
  const state = { sessionId: claudeId, revision: undefined, interrupted: true }
  expect(seen).toEqual([
    { state: undefined, rows: { before: [], turn: [] } },
    { state, rows: { before: [], turn: [row('a'), row('b'), row('c')] } },
    { state, rows: { before: [], turn: [row('a'), row('d')] } },
  ])
  expect(await fleet.client.keys(`${fleet.prefix}:transcript:*`)).toEqual([])
})

test('a session keeps the turns that completed, and not what failed or was left by another job', async () => {
  const { id: session } = await fleet.session()
  const append = (text: string) => async (claim: Claim) => {
    expect(await claim.transcript.append(claudeId, [row(text)], { anew: true })).toBe('ok')
    return text === 'bad' ? failed : completed(claim)
  }
  const jobs = []
  for (let turn = 0; turn < 4; turn += 1) jobs.push(await fleet.enqueue({ session }))
  const seen = await attempts([append('one'), append('bad'), append('three'), append('four')])
  for (const { id } of jobs) await fleet.ended(id)
  const [first, , third] = jobs
  const at = (revision: string) => ({ sessionId: claudeId, revision, interrupted: false })
  expect(seen).toEqual([
    { state: undefined, rows: { before: [], turn: [] } },
    { state: at(`${first?.id}:1`), rows: { before: [row('one')], turn: [] } },
    { state: at(`${first?.id}:1`), rows: { before: [row('one')], turn: [] } },
    { state: at(`${third?.id}:1`), rows: { before: [row('one'), row('three')], turn: [] } },
  ])
})

test('a turn that makes the transcript too long is not kept, its result is, and the session says so', async () => {
  const { id: session } = await fleet.session()
  const record = `${fleet.prefix}:session:${session}`
  const jobs = [await fleet.enqueue({ session }), await fleet.enqueue({ session })]
  const long = row(randomBytes(3_000).toString('hex'))
  const answers: string[] = []
  const seen = await attempts(
    [
      async (claim) => {
        await claim.transcript.append(claudeId, [row('short')], { anew: true })
        return completed(claim)
      },
      async (claim) => {
        for (let at = 0; at < 2; at += 1) answers.push(await claim.transcript.append(claudeId, [long], { anew: false }))
        return completed(claim)
      },
    ],
    { transcriptBytes: 2_000 },
  )
  for (const { id } of jobs) expect(await fleet.ended(id)).toMatchObject({ state: 'completed' })
  expect([answers, seen[1]?.rows.before]).toEqual([['full', 'full'], [row('short')]])
  expect(await fleet.client.hgetall(record)).toMatchObject({
    state: 'error',
    error: expect.stringContaining('transcript'),
  })
  expect(await fleet.client.llen(`${fleet.prefix}:transcript:${session}:rows`)).toBe(1)
})

test('an attempt that is not the current one any more writes nothing', async () => {
  const job = await fleet.enqueue({ session: (await fleet.session()).id })
  let late: Claim | undefined
  await attempts([
    async (claim) => {
      late = claim
      return completed(claim)
    },
  ])
  await fleet.ended(job.id)
  expect(await late?.transcript.append(claudeId, [row('late')], { anew: true })).toBe('fenced')
  expect(await fleet.client.keys(`${fleet.prefix}:transcript:*`)).toEqual([])
})
