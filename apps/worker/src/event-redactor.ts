import type { EventBody } from '@claude-fleet/core'
import type { Redact } from './redactor.js'

/** Takes secrets out of the events of one attempt, in order, also those that come in pieces over several deltas. */
export interface EventRedactor {
  push(body: EventBody): void
  /** Writes what was held back. */
  end(): void
}

type Delta = Extract<EventBody, { type: 'text' | 'thinking' }>

/**
 * A delta is written at once but for what at its end may be the beginning of a secret: that waits for the next delta of
 * its kind, or for whatever else comes. So no text is ever held back that is not itself like a secret.
 */
export function createEventRedactor(
  redact: Redact,
  secrets: readonly string[],
  write: (body: EventBody) => void,
): EventRedactor {
  let held: Delta | undefined

  function flush(): void {
    if (held === undefined) return
    const { type, text } = held
    held = undefined
    write({ type, text: redact(text) })
  }

  function push(body: EventBody): void {
    // What is taken back was never told.
    if (body.type === 'text_reset') held = undefined
    if (body.type !== 'text' && body.type !== 'thinking') {
      flush()
      return write(redact(body))
    }
    if (held !== undefined && held.type !== body.type) flush()
    const text = (held?.text ?? '') + body.text
    const safe = endOfSafe(text, secrets)
    held = safe < text.length ? { type: body.type, text: text.slice(safe) } : undefined
    if (safe > 0) write({ type: body.type, text: redact(text.slice(0, safe)) })
  }

  return { push, end: flush }
}

/**
 * How much of `text` can be redacted by itself: up to the first place where what follows to its end is the beginning of a
 * secret, or before the secret that lies across that place.
 */
export function endOfSafe(text: string, secrets: readonly string[]): number {
  let end = text.length
  for (const secret of secrets) end = Math.min(end, beginningAtEnd(text, secret))
  for (let before = -1; before !== end;) {
    before = end
    for (const secret of secrets) {
      const across = text.lastIndexOf(secret, end - 1)
      if (across !== -1 && across + secret.length > end) end = across
    }
  }
  return end
}

/** Where in `text` the longest proper beginning of `secret` begins that it ends with; its length where there is none. */
function beginningAtEnd(text: string, secret: string): number {
  const first = secret.charAt(0)
  for (
    let at = text.indexOf(first, Math.max(0, text.length - secret.length + 1));
    at !== -1;
    at = text.indexOf(first, at + 1)
  ) {
    if (secret.startsWith(text.slice(at))) return at
  }
  return text.length
}
