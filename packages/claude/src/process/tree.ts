import { setTimeout as delay } from 'node:timers/promises'
import { FleetError } from '@claude-fleet/core'
import { kill, type Cage } from '../care/cage.js'

export interface TreeRoot {
  pid: number
  /** False once the system has told its end: from then on the pid may be anyone's. */
  living(): boolean
  /** Resolves when the root process itself has ended. */
  exited: Promise<unknown>
}

export interface TreeTimes {
  /** From SIGTERM to SIGKILL, ms. Claude ends its tools itself in up to 1.5 s (measured). */
  termMs: number
  /** From SIGKILL until it is an error that something still lives, ms. */
  killMs: number
}

/**
 * Ends a process and everything it started: SIGTERM to claude, which ends its own tools in order; then SIGKILL to
 * whatever of the cage still lives. Resolves when nothing does, and rejects with FleetError `INTERNAL` if that cannot be
 * had; it never resolves early.
 */
export async function endTree(root: TreeRoot, cage: Cage, times: TreeTimes): Promise<void> {
  const leader = root.living() ? await cage.leader() : undefined
  if (leader !== undefined && root.living()) {
    kill(leader, 'SIGTERM')
    await settledWithin(root.exited, times.termMs)
  }
  const deadline = performance.now() + times.killMs
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const living = await cage.strike()
    // Also when its cage is empty: it may not have entered it yet.
    if (root.living()) kill(root.pid)
    if (living.length === 0 && (await settledWithin(root.exited, pauseMs))) break
    if (performance.now() > deadline) {
      throw new FleetError('INTERNAL', 'processes that claude started cannot be ended', { details: { pids: living } })
    }
    await delay(pauseMs)
  }
  await cage.remove()
}

async function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const ended = promise.then(
    () => true,
    () => true,
  )
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false)
  const settled = await Promise.race([ended, late])
  timer.abort()
  return settled
}
