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
    // Redis's own `ERR` and `WRONGTYPE` mean that we asked wrongly; OOM, LOADING, READONLY and a lost connection pass.
    const code = /^(ERR|WRONGTYPE) /.test(detail) ? 'INTERNAL' : 'UNAVAILABLE'
    throw new FleetError(code, `Redis failed the call: ${detail}`, { cause })
  } finally {
    clearTimeout(timer)
  }
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
