import { FleetError, isFleetError } from '@claude-fleet/core'

/**
 * Waits for `work`, at most `ms`. Rejects with FleetError `UNAVAILABLE` when it takes longer or when Redis cannot do it
 * now, `INTERNAL` when Redis refuses it as wrong; a FleetError passes through. A command in flight when Redis goes away settles only when Redis is back, so nothing but
 * an own clock ends the wait.
 */
export async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new FleetError('UNAVAILABLE', `${what} within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } catch (cause) {
    if (isFleetError(cause)) throw cause
    const detail = cause instanceof Error ? cause.message : String(cause)
    if (isFull(cause)) throw new FleetError('UNAVAILABLE', `${FULL} (${detail})`, { cause, details: { detail: FULL } })
    // Redis's own `ERR` and `WRONGTYPE` mean that we asked wrongly; OOM, LOADING, READONLY and a lost connection pass.
    const code = /^(ERR|WRONGTYPE) /.test(detail) ? 'INTERNAL' : 'UNAVAILABLE'
    throw new FleetError(code, `Redis failed the call: ${detail}`, { cause })
  } finally {
    clearTimeout(timer)
  }
}

const FULL = 'Redis is out of memory: nothing was enqueued or changed; jobs that run go on'

/** Did Redis refuse a write for want of memory? Redis 6 puts the word into the middle. */
export function isFull(fault: unknown): boolean {
  return fault instanceof Error && /\bOOM command not allowed/.test(fault.message)
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}
