/** A signal that aborts when the first of several does, and lets go of them when disposed. */
export interface LinkedSignal extends Disposable {
  signal: AbortSignal
  abort(reason: unknown): void
}

/**
 * Joins signals. `AbortSignal.any` would do, but a long-lived signal keeps what was joined to it: a client's own closing
 * signal would grow with every call.
 */
export function linkSignals(...signals: (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController()
  const unlink: (() => void)[] = []
  for (const signal of signals) {
    if (signal === undefined) continue
    const abort = () => controller.abort(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    unlink.push(() => signal.removeEventListener('abort', abort))
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => unlink.forEach((drop) => drop()),
  }
}
