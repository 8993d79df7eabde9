import { jobSpecSchema } from '@claude-fleet/core'
import type { AttemptStop, Claim } from '@claude-fleet/queue'
import { FleetError } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { failedBeforeTurn, limitsSpent } from './outcome.js'

const deps = { random: () => 0, log: { debug() {}, info() {}, warn() {}, error() {} } }

test('an attempt that could not start is tried again while attempts are left, and fails after', () => {
  const error = new FleetError('SPAWN_FAILED', 'no such file')
  expect(failedBeforeTurn(claim({ failures: 0 }), error, deps)).toMatchObject({ type: 'retry', delayMs: 1_000 })
  expect(failedBeforeTurn(claim({ failures: 1 }), error, deps)).toMatchObject({ type: 'retry', delayMs: 2_000 })
  expect(failedBeforeTurn(claim({ failures: 2 }), error, deps)).toMatchObject({
    type: 'failed',
    error: { code: 'SPAWN_FAILED', message: 'no such file', attempt: 3 },
  })
})

test('what the job may not have fails at once', () => {
  const outcome = failedBeforeTurn(claim({}), new FleetError('FORBIDDEN', 'not here'), deps)
  expect(outcome).toMatchObject({ type: 'failed', error: { code: 'FORBIDDEN', retryable: false } })
})

test("an error of the fleet's own is INTERNAL, and its text stays in the log", () => {
  const outcome = failedBeforeTurn(claim({}), new Error('secret path'), deps)
  expect(outcome).toMatchObject({ type: 'retry', error: { code: 'INTERNAL' } })
  expect(JSON.stringify(outcome)).not.toContain('secret path')
})

test.each<[AttemptStop, object]>([
  [
    { kind: 'cancelled', reason: 'by its owner' },
    { type: 'cancelled', reason: 'by its owner' },
  ],
  [{ kind: 'drain' }, { type: 'returned', delayMs: 0 }],
  [{ kind: 'fenced' }, { type: 'fenced' }],
])('a stop of the fleet is its own outcome, whatever error it led to: %j', (stop, outcome) => {
  expect(failedBeforeTurn(claim({ signal: AbortSignal.abort(stop) }), new Error('aborted'), deps)).toMatchObject(
    outcome,
  )
})

test('a job whose earlier attempts spent its budget does not run again', () => {
  const spec = jobSpecSchema.parse({ prompt: 'x', maxBudgetUsd: 1 })
  expect(limitsSpent(claim({ spec, spentUsd: 0.99 }))).toBeUndefined()
  expect(limitsSpent(claim({ spec, spentUsd: 1 }))).toMatchObject({ type: 'failed', error: { code: 'MAX_BUDGET' } })
})

test('a job whose failed attempts had all its turns does not run again', () => {
  const spec = jobSpecSchema.parse({ prompt: 'x', maxTurns: 2 })
  expect(limitsSpent(claim({ spec, spentTurns: 1 }))).toBeUndefined()
  expect(limitsSpent(claim({ spec, spentTurns: 2 }))).toMatchObject({ type: 'failed', error: { code: 'MAX_TURNS' } })
})

function claim(fields: Partial<Claim>): Claim {
  const failures = fields.failures ?? 0
  return {
    jobId: 'j',
    tenant: 't',
    spec: jobSpecSchema.parse({ prompt: 'x', backoff: { jitter: 0 } }),
    createdAt: 0,
    attempt: failures + 1,
    failures,
    queueMs: 0,
    spentUsd: 0,
    spentTurns: 0,
    signal: new AbortController().signal,
    lock: { state: 'sure', onChange: () => () => {} },
    isBroke: () => false,
    write() {},
    spent() {},
    drained: async () => {},
    transcript: undefined as unknown as Claim['transcript'],
    ...fields,
  }
}
