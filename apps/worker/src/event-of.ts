import type { TurnMessage } from '@claude-fleet/claude'
import type { EventBody, StartKind } from '@claude-fleet/core'

/** The event that tells a turn's message to subscribers, or undefined where it is not theirs to see. */
export function eventOf(
  message: Exclude<TurnMessage, { type: 'end' }>,
  attempt: { worker: string; start: StartKind },
): EventBody | undefined {
  switch (message.type) {
    case 'init':
      return { type: 'started', worker: attempt.worker, sessionId: message.sessionId, start: attempt.start }
    case 'spend':
      return undefined
    default:
      return message
  }
}
