import type { Log } from '../types.js'
import type { LockTiming } from './timing.js'

export interface LocksDeps {
  /** Renews locks for `lockMs`; answers the ids whose lock another holds or nobody. */
  extend(ids: string[], tokens: string[], lockMs: number): Promise<string[]>
  log: Log
}

/** Keeps the locks of this process's attempts, and says when one can no longer be counted on. */
export interface Locks {
  /** `ageMs`: how long ago the lock was taken. `onLost` is called once at most. */
  hold(id: string, token: string, ageMs: number, onLost: () => void): void
  /** The same job was handed to this process again: its lock now has another token. */
  swap(id: string, token: string): void
  release(id: string): void
  close(): void
}

/**
 * BullMQ's own renewal only reports failures that Redis answers; it says nothing while Redis does not. Here a lock
 * counts from the moment its renewal was sent, by the monotonic clock, and is given up by time alone.
 */
export function createLocks(deps: LocksDeps, timing: LockTiming): Locks {
  const held = new Map<string, { token: string; confirmedAt: number; onLost: () => void }>()
  let renewing = false

  function lose(id: string): void {
    const lock = held.get(id)
    held.delete(id)
    lock?.onLost()
  }

  async function renew(): Promise<void> {
    if (renewing || held.size === 0) return
    renewing = true
    const sent = [...held].map(([id, lock]) => ({ id, token: lock.token }))
    const sentAt = performance.now()
    try {
      const tokens = sent.map(({ token }) => token)
      const refused = new Set(
        await deps.extend(
          sent.map(({ id }) => id),
          tokens,
          timing.lockMs,
        ),
      )
      for (const { id, token } of sent) {
        const lock = held.get(id)
        if (lock?.token !== token) continue
        if (refused.has(id)) lose(id)
        else lock.confirmedAt = sentAt
      }
    } catch (err) {
      deps.log.warn({ err }, 'locks could not be renewed')
    } finally {
      renewing = false
    }
    // An answer this late confirms little; the next regular renewal may come after the lock was given up.
    if (performance.now() - sentAt > timing.renewMs) void renew()
  }

  function check(): void {
    const now = performance.now()
    for (const [id, lock] of held) if (now - lock.confirmedAt > timing.giveUpMs) lose(id)
  }

  const renewTimer = setInterval(() => void renew(), timing.renewMs)
  const checkTimer = setInterval(check, Math.max(50, timing.giveUpMs / 20))

  return {
    hold(id, token, ageMs, onLost) {
      held.set(id, { token, confirmedAt: performance.now() - ageMs, onLost })
    },
    swap(id, token) {
      const lock = held.get(id)
      if (lock === undefined) return
      lock.token = token
      lock.confirmedAt = performance.now()
    },
    release: (id) => void held.delete(id),
    close() {
      clearInterval(renewTimer)
      clearInterval(checkTimer)
      held.clear()
    },
  }
}
