import type { SubscriptionHandlers } from '../redis/subscriptions.js'

const MAX_MESSAGES = 512
const MAX_CHARS = 4 * 1_048_576

/** Live messages of one reader, between Redis and its pace. */
export interface Mailbox extends SubscriptionHandlers {
  /** The next message, or `check` when it is time to look at the log: after `ms` of silence, a reconnect, a spill. */
  next(ms: number, signal: AbortSignal): Promise<string>
}

/** A slow reader's mailbox does not grow: when full it is emptied, and the reader takes the messages from the log. */
export function createMailbox(): Mailbox {
  let messages: string[] = []
  let chars = 0
  let stale = false
  let wake: (() => void) | undefined

  return {
    message(text) {
      messages.push(text)
      chars += text.length
      if (messages.length > MAX_MESSAGES || chars > MAX_CHARS) {
        messages = []
        chars = 0
        stale = true
      }
      wake?.()
    },
    restored() {
      stale = true
      wake?.()
    },
    async next(ms, signal) {
      if (messages.length === 0 && !stale && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
          signal.addEventListener('abort', wake, { once: true })
        }).finally(() => {
          if (wake !== undefined) signal.removeEventListener('abort', wake)
          wake = undefined
        })
      }
      if (stale) {
        stale = false
        return 'check'
      }
      const message = messages.shift()
      if (message === undefined) return 'check'
      chars -= message.length
      return message
    },
  }
}
