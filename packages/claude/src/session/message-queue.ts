import type { TurnMessage } from '../types.js'

/** What a turn has said and its consumer has not yet taken. */
export interface MessageQueue {
  push(messages: readonly TurnMessage[]): void
  /** Resolves with the next message, as soon as there is one. One caller at a time. */
  next(): Promise<TurnMessage>
}

export interface QueueLimits {
  /** Told `true` when more than `high` units wait, and `false` once fewer than `low` do. A unit is a character of text. */
  onPressure: (pressed: boolean) => void
  high: number
  low: number
}

export function createMessageQueue(limits: QueueLimits): MessageQueue {
  const waiting: TurnMessage[] = []
  let head = 0
  let size = 0
  let pressed = false
  let taker: ((message: TurnMessage) => void) | undefined

  return {
    push(messages) {
      for (const message of messages) {
        if (taker !== undefined) {
          const give = taker
          taker = undefined
          give(message)
          continue
        }
        waiting.push(message)
        size += weight(message)
      }
      if (!pressed && size > limits.high) {
        pressed = true
        limits.onPressure(true)
      }
    },
    async next() {
      const message = waiting[head]
      if (message === undefined) return new Promise((resolve) => (taker = resolve))
      head += 1
      size -= weight(message)
      if (head > 256 && head * 2 > waiting.length) {
        waiting.splice(0, head)
        head = 0
      }
      if (pressed && size < limits.low) {
        pressed = false
        limits.onPressure(false)
      }
      return message
    },
  }
}

function weight(message: TurnMessage): number {
  const overhead = 64
  switch (message.type) {
    case 'text':
    case 'thinking':
      return overhead + message.text.length
    case 'log':
      return overhead + message.line.length
    case 'tool_result':
      return overhead + message.output.length
    default:
      return overhead
  }
}
