import type { Redis } from 'ioredis'
import type { Log } from '../types.js'

export interface SubscriptionHandlers {
  message(text: string): void
  /** Messages may have been lost: the connection was away and is back. */
  restored(): void
}

/** Subscriptions of one process over one connection. A channel is subscribed while somebody listens to it. */
export interface Subscriptions {
  /** Resolves to the way to stop listening, once Redis has confirmed the subscription. */
  listen(channel: string, handlers: SubscriptionHandlers): Promise<() => void>
  close(): void
}

/** Opens its connection at the first `listen`. */
export function createSubscriptions(base: Redis, log: Log | undefined): Subscriptions {
  const channels = new Map<string, { handlers: Set<SubscriptionHandlers>; ready: Promise<unknown> }>()
  let subscriber: Redis | undefined
  let closed = false

  function open(): Redis {
    if (subscriber !== undefined) return subscriber
    const opened = base.duplicate({
      connectionName: `${base.options.connectionName ?? ''}-events`,
      enableOfflineQueue: true,
      autoResendUnfulfilledCommands: true,
      commandTimeout: undefined,
      lazyConnect: false,
    })
    opened.on('error', (err: Error) => log?.debug({ err }, 'redis subscriber connection failed'))
    opened.on('message', (channel: string, text: string) => {
      for (const handlers of channels.get(channel)?.handlers ?? []) handlers.message(text)
    })
    // ioredis subscribes again by itself after a reconnect. One more SUBSCRIBE behind those proves that they took
    // effect; only then can a listener read what it missed without missing more.
    opened.on('ready', () => {
      const [first] = channels.keys()
      if (first === undefined) return
      const restored = () => {
        for (const { handlers } of channels.values()) for (const one of handlers) one.restored()
      }
      // A failure here is another lost connection, and another `ready` follows.
      opened.subscribe(first).then(restored, () => undefined)
    })
    subscriber = opened
    return opened
  }

  return {
    async listen(channel, handlers) {
      let entry = channels.get(channel)
      if (entry === undefined) {
        entry = { handlers: new Set(), ready: closed ? Promise.resolve() : open().subscribe(channel) }
        channels.set(channel, entry)
      }
      const own = entry
      own.handlers.add(handlers)
      const stop = () => {
        if (!own.handlers.delete(handlers) || own.handlers.size > 0 || channels.get(channel) !== own) return
        channels.delete(channel)
        // A failed UNSUBSCRIBE means the connection is gone, and the subscription with it.
        if (!closed) subscriber?.unsubscribe(channel).catch(() => undefined)
      }
      try {
        await own.ready
      } catch (cause) {
        stop()
        throw cause
      }
      return stop
    },
    close() {
      closed = true
      channels.clear()
      subscriber?.disconnect()
    },
  }
}
