import { expect, test } from 'vitest'
import { DELIVERY_MAX_AGE_MS, judge, RETRY_DELAYS_MS, type WebhookAnswer } from './verdict.js'

const given = { attempts: 0, failures: 0, ageMs: 0, random: 0 }
const answered = (status: number, retryAfterMs?: number): WebhookAnswer => ({ type: 'answered', status, retryAfterMs })

test('a 2xx alone is success; 410 ends the endpoint; all else is tried again', () => {
  for (const status of [200, 201, 204, 299]) expect(judge(answered(status), given).status).toBe('delivered')
  for (const status of [100, 300, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503]) {
    expect(judge(answered(status), given)).toMatchObject({ status: 'pending', disable: undefined })
  }
  expect(judge(answered(410), given)).toMatchObject({ status: 'failed', disable: 'gone' })
  expect(judge({ type: 'unreachable', reason: 'timed out' }, given)).toMatchObject({ status: 'pending' })
  expect(judge({ type: 'refused', reason: 'private' }, given)).toMatchObject({ status: 'pending' })
})

test('tries are spread over the days of the specification, with jitter on top, and then given up', () => {
  const waits = RETRY_DELAYS_MS.map((_wait, attempts) => judge(answered(500), { ...given, attempts }).delayMs)
  expect(waits).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map((s) => s * 1_000))
  expect(judge(answered(500), { ...given, random: 1 }).delayMs).toBe(6_000)
  const last = { ...given, attempts: RETRY_DELAYS_MS.length }
  expect(judge(answered(500), last)).toMatchObject({ status: 'failed', disable: 'failing' })
  expect(judge(answered(500), { ...given, ageMs: DELIVERY_MAX_AGE_MS })).toMatchObject({ status: 'failed' })
})

test('Retry-After is heeded up to a day, and an endpoint that fails in a row rests longer and longer', () => {
  expect(judge(answered(429, 120_000), given)).toMatchObject({ delayMs: 120_000, restMs: 120_000 })
  expect(judge(answered(500, 120_000), given)).toMatchObject({ delayMs: 120_000, restMs: 0 })
  expect(judge(answered(429, 10 ** 12), given)).toMatchObject({ delayMs: 86_400_000, restMs: 3_600_000 })
  const rests = [0, 1, 2, 3, 4, 20].map((failures) => judge(answered(500), { ...given, failures }).restMs)
  expect(rests).toEqual([0, 0, 1_000, 2_000, 4_000, 60_000])
})
