import { FleetError } from '@claude-fleet/core'
import type { Lease, SessionSpec } from '../types.js'

/** An acquire that has no lease yet. */
export interface Waiter {
  readonly spec: SessionSpec
  readonly key: string
  /** Aborted with the reason it gives up for. */
  readonly signal: AbortSignal
  /** What that does where it stands now. */
  giveUp: () => void
  resolve(lease: Lease): void
  reject(reason: unknown): void
}

/**
 * Makes a waiter and the promise of its lease. It gives up when `signal` aborts, with its reason, and after `timeoutMs`
 * with FleetError `TIMEOUT`. It settles once; nothing of it is left then.
 */
export function createWaiter(
  spec: SessionSpec,
  key: string,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs?: number | undefined },
): { waiter: Waiter; lease: Promise<Lease> } {
  const own = new AbortController()
  const onAbort = (): void => own.abort(signal.reason)
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => own.abort(new FleetError('TIMEOUT', `no session within ${timeoutMs} ms`)), timeoutMs)
  const settled = (): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    own.signal.removeEventListener('abort', onGiveUp)
  }
  const onGiveUp = (): void => waiter.giveUp()
  let waiter!: Waiter
  const lease = new Promise<Lease>((resolve, reject) => {
    waiter = {
      spec,
      key,
      signal: own.signal,
      giveUp: () => undefined,
      resolve: (given) => (settled(), resolve(given)),
      reject: (reason) => (settled(), reject(reason)),
    }
  })
  signal.addEventListener('abort', onAbort, { once: true })
  own.signal.addEventListener('abort', onGiveUp, { once: true })
  return { waiter, lease }
}
