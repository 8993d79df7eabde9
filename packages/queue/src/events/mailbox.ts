import type { SubscriptionHandlers } from '../redis/subscriptions.js'

/** What one reader may leave lying, and what all readers of a process may leave lying together. */
const MAX_MESSAGES = 512
const MAX_CHARS = 1_048_576
const MAX_CHARS_TOGETHER = 64 * 1_048_576

/** Live messages of one reader, between Redis and its pace. */
export interface Mailbox extends SubscriptionHandlers {
  /** The next message, or `check` when it is time to look at the log: after `ms` of silence, a reconnect, a spill. */
  next(ms: number, signal: AbortSignal): Promise<string>
  /** Takes no more messages and gives its memory back. */
  close(): void
}

/** Makes the mailboxes of one process, whose memory together is bounded too. */
export type OpenMailbox = () => Mailbox

/**
 * A slow reader's mailbox does not grow: when it is full, or all together hold too much, it is emptied, and the reader
 * takes the messages from the log at its own pace.
 */
export function createMailboxes(limits = { chars: MAX_CHARS, together: MAX_CHARS_TOGETHER }): OpenMailbox {
  let together = 0

  return () => {
    let messages: string[] = []
    let chars = 0
    let stale = false
    let closed = false
    let wake: (() => void) | undefined

    function empty(): void {
      together -= chars
      chars = 0
      messages = []
    }

    return {
      message(text) {
        if (closed) return
        messages.push(text)
        chars += text.length
        together += text.length
        if (messages.length > MAX_MESSAGES || chars > limits.chars || together > limits.together) {
          empty()
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
        together -= message.length
        return message
      },
      close() {
        closed = true
        empty()
      },
    }
  }
}
