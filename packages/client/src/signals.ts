import { setMaxListeners } from 'node:events'

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
    // One signal for many calls is what it is for; Node takes more than ten listeners for a leak.
    setMaxListeners(0, signal)
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

/** Stops waiting when the signal aborts: rejects with its reason. The work itself ends by its own deadline. */
export async function until<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let leave = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', leave)
    // Nobody hears of it any more, and it must not end the process.
    work.catch(() => undefined)
  }
}
