import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { QUIET } from '../testing/fleet.js'
import { createLocks, type Locks, type Renewal } from './locks.js'
import { LOCK_TIMING } from './timing.js'

/** What Redis and its host do in a test; `undefined` is no answer. */
let redis: { answer: Renewal | undefined; reachable: boolean; tries: number }
let locks: Locks
let said: [string, number][]
let unanswered: ((renewals: Renewal[]) => void)[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  redis = { answer: 'kept', reachable: true, tries: 0 }
  said = []
  unanswered = []
  const renew = async (): Promise<Renewal[]> =>
    redis.answer === undefined ? new Promise((resolve) => unanswered.push(resolve)) : [redis.answer]
  const reachable = async () => {
    redis.tries += 1
    return redis.reachable
  }
  locks = createLocks({ renew, reachable, log: QUIET }, LOCK_TIMING)
  const startedAt = performance.now()
  const say = (word: string) => () => void said.push([word, Math.floor((performance.now() - startedAt) / 1_000)])
  const listener = { doubt: say('doubt'), sure: say('sure'), lost: say('lost') }
  locks.hold({ id: 'j', token: 't', fence: 'f' }, 0, listener)
})
afterEach(() => {
  locks.close()
  vi.useRealTimers()
})

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000)

test('a lock that is renewed stays sure', async () => {
  await pass(120)
  expect([said, redis.tries]).toEqual([[], 0])
})

test('a Redis that stands still is waited for, and its host is tried twice and no more', async () => {
  await pass(1)
  redis.answer = undefined
  await pass(90)
  expect([said, redis.tries]).toEqual([[['doubt', 12]], 2])
  // The answer to a renewal that was sent long ago says nothing of now: the lock is sure with the next.
  redis.answer = 'reclaimed'
  for (const answer of unanswered) answer(['reclaimed'])
  await pass(1)
  expect(said.map(([word]) => word)).toEqual(['doubt', 'sure'])
})

test('where the host of Redis is out of reach the attempt ends before another may begin', async () => {
  redis.answer = undefined
  redis.reachable = false
  await pass(19)
  expect(said).toEqual([
    ['doubt', 12],
    ['lost', 17],
  ])
})

test('a lock that another has is lost at once, and one that is never confirmed after ten minutes', async () => {
  redis.answer = 'lost'
  await pass(6)
  expect(said).toEqual([['lost', 5]])
  said.length = 0
  redis.answer = undefined
  const listener = { doubt: () => {}, sure: () => {}, lost: () => void said.push(['lost', 0]) }
  locks.hold({ id: 'k', token: 't', fence: 'f' }, 0, listener)
  await pass(590)
  expect(said).toEqual([])
  await pass(20)
  expect(said).toEqual([['lost', 0]])
})
