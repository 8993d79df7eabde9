import type { Log } from '../types.js'
import type { LockTiming } from './timing.js'

/** What Redis says of a lock that was to be renewed: it is ours, it was taken back after it had lapsed, or it is not. */
export type Renewal = 'kept' | 'reclaimed' | 'lost'

export interface LockHold {
  id: string
  token: string
  fence: string
}

export interface LocksDeps {
  /** Renews the locks for `lockMs`, each on its own; answers in their order. */
  renew(locks: readonly LockHold[], lockMs: number): Promise<Renewal[]>
  /** Can the host of Redis be reached at all? */
  reachable(): Promise<boolean>
  log: Log
}

/** What becomes of one lock. `doubt` and `sure` take turns; `lost` comes once and last. */
export interface LockListener {
  doubt(): void
  sure(): void
  lost(): void
}

/** Keeps the locks of this process's attempts, and says when one can no longer be counted on. */
export interface Locks {
  /** `ageMs`: how long ago the lock was taken. */
  hold(lock: LockHold, ageMs: number, listener: LockListener): void
  /** The same job was handed to this process again: its lock now has another token. */
  swap(id: string, token: string, ageMs: number): void
  release(id: string): void
  /** Renews now, beside the regular times: Redis is back. */
  renew(): void
  close(): void
}

interface Held extends LockHold {
  confirmedAt: number
  state: 'sure' | 'doubtful'
  /** Answers to `reachable` since the doubt began. */
  probes: boolean[]
  listener: LockListener
}

/** How often the host is tried between doubt and cut-off. More would fill the queue of a Redis that stands still. */
const PROBES = 2

/**
 * BullMQ's own renewal only reports failures that Redis answers; it says nothing while Redis does not. Here a lock
 * counts from the moment its renewal was sent, by the monotonic clock.
 *
 * A worker that is not answered cannot know why. If Redis stands still, nobody can take the job over, and the attempt
 * should go on afterwards. If only this worker is cut off, the job is given to another one when the lock lapses. So the
 * attempt is first suspended, which is right in both cases, and then ended where the host of Redis is seen to be out
 * of reach. A host that accepts connections though Redis says nothing is waited for.
 */
export function createLocks(deps: LocksDeps, timing: LockTiming): Locks {
  const held = new Map<string, Held>()
  let renewing = false

  function lose(lock: Held, why: string): void {
    if (held.get(lock.id) !== lock) return
    held.delete(lock.id)
    deps.log.warn({ jobId: lock.id, why }, 'the lock of a job was lost; its attempt ends')
    lock.listener.lost()
  }

  function doubt(lock: Held): void {
    lock.state = 'doubtful'
    lock.probes = []
    lock.listener.doubt()
  }

  function confirm(lock: Held, sentAt: number): void {
    lock.confirmedAt = Math.max(lock.confirmedAt, sentAt)
    if (lock.state === 'sure' || performance.now() - lock.confirmedAt > timing.doubtMs) return
    lock.state = 'sure'
    lock.listener.sure()
  }

  async function renew(): Promise<void> {
    if (renewing || held.size === 0) return
    renewing = true
    const sent = [...held.values()].map((lock) => ({ lock, token: lock.token }))
    const sentAt = performance.now()
    try {
      const holds = sent.map(({ lock: { id, fence }, token }) => ({ id, fence, token }))
      const renewals = await deps.renew(holds, timing.lockMs)
      for (const [at, { lock, token }] of sent.entries()) {
        if (held.get(lock.id) !== lock || lock.token !== token) continue
        if (renewals[at] === 'lost') lose(lock, 'another attempt may run')
        else confirm(lock, sentAt)
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
    for (const lock of held.values()) {
      const age = now - lock.confirmedAt
      if (age > timing.doubtMs && lock.state === 'sure') doubt(lock)
      if (lock.state === 'sure') continue
      const cut = lock.probes.length === PROBES && lock.probes.every((reachable) => !reachable)
      if (age > timing.holdMs) lose(lock, 'Redis did not answer for too long')
      else if (age > timing.cutOffMs && cut) lose(lock, 'the host of Redis cannot be reached')
    }
    void probe()
  }

  let probing = false
  /** One try serves all doubtful locks; each counts those made since its own doubt began. */
  async function probe(): Promise<void> {
    const waiting = [...held.values()].filter((lock) => lock.state === 'doubtful' && lock.probes.length < PROBES)
    if (probing || waiting.length === 0) return
    probing = true
    const reachable = await deps.reachable().catch(() => true)
    for (const lock of waiting) lock.probes.push(reachable)
    probing = false
  }

  const renewTimer = setInterval(() => void renew(), timing.renewMs)
  const checkTimer = setInterval(check, Math.max(50, timing.doubtMs / 20))

  return {
    hold(lock, ageMs, listener) {
      const confirmedAt = performance.now() - ageMs
      held.set(lock.id, { ...lock, confirmedAt, state: 'sure', probes: [], listener })
    },
    swap(id, token, ageMs) {
      const lock = held.get(id)
      if (lock === undefined) return
      lock.token = token
      confirm(lock, performance.now() - ageMs)
    },
    release: (id) => void held.delete(id),
    renew: () => void renew(),
    close() {
      clearInterval(renewTimer)
      clearInterval(checkTimer)
      held.clear()
    },
  }
}
