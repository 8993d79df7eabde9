import { setImmediate as turnOfLoop } from 'node:timers/promises'
import type { LockState } from '@claude-fleet/queue'
import { expect, test } from 'vitest'
import { holdWhileDoubtful } from './hold.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }

/** A claim whose lock is what the test says, and what its session was told. */
function startClaim(first: LockState = 'sure') {
  const listeners = new Set<(state: LockState) => void>()
  const stop = new AbortController()
  const told: string[] = []
  let state = first
  const lock = {
    get state() {
      return state
    },
    onChange(listener: (state: LockState) => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const session = { suspend: async () => void told.push('suspend'), resume: () => void told.push('resume') }
  const become = (next: LockState) => {
    state = next
    for (const listener of listeners) listener(next)
  }
  return { claim: { jobId: 'j', lock, signal: stop.signal }, session, told, become, stop, listeners }
}

test('a session is suspended while its lock is doubtful, and never resumed once the lock is lost', async () => {
  const { claim, session, told, become, stop, listeners } = startClaim()
  const leave = await holdWhileDoubtful(claim, session, log)
  become('doubtful')
  become('sure')
  become('doubtful')
  stop.abort({ kind: 'fenced' })
  become('sure')
  leave()
  expect(told).toEqual(['suspend', 'resume', 'suspend'])
  expect(listeners.size).toBe(0)
})

test('an attempt that becomes ready with a doubtful lock waits until it is sure, or lost', async () => {
  for (const end of ['sure', 'lost'] as const) {
    const { claim, session, become, stop } = startClaim('doubtful')
    let waits = true
    const ready = holdWhileDoubtful(claim, session, log).finally(() => (waits = false))
    await turnOfLoop()
    expect(waits).toBe(true)
    if (end === 'sure') become('sure')
    else stop.abort({ kind: 'fenced' })
    ;(await ready)()
  }
})
