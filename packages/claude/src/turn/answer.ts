import type { TurnMessage } from '../types.js'
import { createScreen } from './screen.js'

/**
 * The answer of a turn as it is streamed, taken back and begun again. Each call returns what a subscriber must be told
 * so that its screen is `text`.
 */
export interface Answer {
  /** Text since the last `started`, `tool_use` or `text_reset`. */
  readonly text: string
  readonly bytes: number
  /** Replies of the model that were begun. One that broke off and was begun again is one. */
  readonly rounds: number
  /** Replies of the model that came whole. */
  readonly replies: number
  /** A new reply of the model begins. */
  begin(messageId: string): TurnMessage[]
  delta(block: number, text: string): TurnMessage[]
  /** A whole message, as claude gives it besides the stream, or where it did not stream it. */
  whole(messageId: string, texts: readonly { block: number; text: string }[]): TurnMessage[]
  /** Why the reply being streamed will end. */
  endsWith(stopReason: string | undefined): void
  /** The stream of the reply ends; what is abandoned of it is void. */
  end(abandoned: { messageId: string; fromBlock: number } | undefined): TurnMessage[]
  /** Claude sends the request again: what it has streamed of an unfinished reply is void. */
  retry(): TurnMessage[]
  toolUse(): void
  /** The turn succeeded with `result`. */
  complete(result: string): TurnMessage[]
  /** From now on what is taken back does not come again, so it stays. */
  stopping(): void
}

/** Reply stops after which claude goes on in the same answer by itself (measured for `max_tokens`). */
const CONTINUED: ReadonlySet<string> = new Set(['max_tokens', 'pause_turn'])

export function createAnswer(): Answer {
  const screen = createScreen()
  /** The latest reply: `open` while it is streamed, `broken` when it was abandoned and will be asked for again. */
  let reply:
    { id: string; open: boolean; broken: boolean; stopReason: string | undefined; streamed: boolean } | undefined
  let continued = false
  let winding = false
  let rounds = 0
  let replies = 0

  function show(messageId: string, block: number, text: string): TurnMessage[] {
    if (text === '') return []
    screen.append(messageId, block, text)
    return [{ type: 'text', text }]
  }

  /** What stays of the answer is said again, since a reset voids all of it. */
  function takeBack(messageId: string, fromBlock: number): TurnMessage[] {
    if (winding || !screen.remove(messageId, fromBlock)) return []
    return reset(screen.text)
  }

  /** An unfinished reply before this one is void, and so is a finished one that a nudge of claude's has superseded. */
  function begin(messageId: string): TurnMessage[] {
    const before = reply
    reply = { id: messageId, open: true, broken: false, stopReason: undefined, streamed: false }
    rounds += before?.open === true || before?.broken === true ? 0 : 1
    if (before === undefined) return []
    if (before.open) return takeBack(before.id, 0)
    if (before.stopReason !== undefined && CONTINUED.has(before.stopReason)) {
      continued = true
      return []
    }
    if (winding || screen.bytes === 0) return []
    screen.clear()
    continued = false
    return reset('')
  }

  return {
    get text() {
      return screen.text
    },
    get bytes() {
      return screen.bytes
    },
    get rounds() {
      return rounds
    },
    get replies() {
      return replies
    },
    begin,
    delta(block, text) {
      if (reply === undefined) return []
      reply.streamed = true
      return show(reply.id, block, text)
    },
    whole(messageId, texts) {
      const said: TurnMessage[] = []
      // Not streamed: claude fell back to a plain request, or an older claude streams nothing.
      if (reply?.id !== messageId) {
        said.push(...begin(messageId))
        if (reply !== undefined) reply.open = false
        replies += 1
      }
      if (reply?.streamed === true) return said
      return [...said, ...texts.flatMap(({ block, text }) => show(messageId, block, text))]
    },
    endsWith(stopReason) {
      if (reply !== undefined) reply.stopReason = stopReason
    },
    end(abandoned) {
      if (reply !== undefined) {
        if (reply.open && abandoned === undefined) replies += 1
        reply.open = false
        reply.broken = abandoned !== undefined
      }
      return abandoned === undefined ? [] : takeBack(abandoned.messageId, abandoned.fromBlock)
    },
    retry: () => (reply?.open === true ? takeBack(reply.id, 0) : []),
    toolUse() {
      screen.clear()
      continued = false
    },
    complete(result) {
      const shown = screen.text
      // The result has the last reply only; where claude went on after `max_tokens` the parts together are the answer.
      if (continued && shown.endsWith(result)) return []
      screen.clear()
      screen.append('', 0, result)
      if (!result.startsWith(shown)) return reset(result)
      return result === shown ? [] : [{ type: 'text', text: result.slice(shown.length) }]
    },
    stopping() {
      winding = true
    },
  }
}

function reset(text: string): TurnMessage[] {
  return text === '' ? [{ type: 'text_reset' }] : [{ type: 'text_reset' }, { type: 'text', text }]
}
