import { z } from 'zod'
import type { Redact } from '../redactor.js'

/** Takes secrets out of the lines that claude writes, which are JSON, and hands them on in order. */
export interface LineRedactor {
  push(line: string): void
  /** Hands on what was held back. */
  end(): void
}

/** One redacted line: JSON, or what was none as it is. */
type Line = { json: unknown } | { text: string }

/** More lines are never held back. */
const HELD_MAX = 1_000

/**
 * A line is read as JSON, redacted string by string, and written again, so an escape cannot hide a secret; what is no
 * JSON is redacted as text.
 *
 * An answer is streamed in pieces of some letters, a line each, so a secret in it need not stand in one line. A piece
 * that ends like the beginning of one of `secrets` is therefore held back, with the lines that follow it, until the
 * next pieces of the same block tell. What came in pieces stands redacted in the first of them.
 */
export function createLineRedactor(
  redact: Redact,
  secrets: readonly string[],
  write: (line: string) => void,
): LineRedactor {
  let held: Line[] = []
  let pieces: Piece[] = []

  function flush(): void {
    const lines = held
    held = []
    pieces = []
    for (const line of lines) write('json' in line ? JSON.stringify(line.json) : line.text)
  }

  function push(text: string): void {
    const line = redact(readLine(text))
    const piece = 'json' in line ? pieceOf(line.json) : undefined
    const [first] = pieces
    if (piece !== undefined && first !== undefined && first.block !== piece.block) flush()
    held.push(line)
    if (piece === undefined) {
      if (pieces.length === 0 || held.length > HELD_MAX || ('json' in line && endsPieces(line.json))) flush()
      return
    }
    pieces.push(piece)
    const joined = pieces.map(({ text: part }) => part).join('')
    const clean = redact(joined)
    if (clean !== joined) for (const [at, one] of pieces.entries()) one.replace(at === 0 ? clean : '')
    if (held.length > HELD_MAX || !secrets.some((secret) => endsWithBeginningOf(clean, secret))) flush()
  }

  return { push, end: flush }
}

interface Piece {
  /** Pieces of one block of the answer belong together. */
  block: string
  text: string
  replace(text: string): void
}

const PIECE_FIELDS = ['text', 'thinking', 'partial_json'] as const
const pieceSchema = z.object({
  type: z.literal('stream_event'),
  parent_tool_use_id: z.string().nullish(),
  event: z.object({
    type: z.literal('content_block_delta'),
    index: z.number(),
    delta: z.record(z.string(), z.unknown()),
  }),
})
const endSchema = z.union([
  z.object({ type: z.literal('stream_event'), event: z.object({ type: z.literal('content_block_stop') }) }),
  z.object({ type: z.literal('result') }),
])

function pieceOf(json: unknown): Piece | undefined {
  const parsed = pieceSchema.safeParse(json)
  if (!parsed.success) return undefined
  const { event, parent_tool_use_id: parent } = parsed.data
  const field = PIECE_FIELDS.find((name) => typeof event.delta[name] === 'string')
  if (field === undefined) return undefined
  const piece: Piece = {
    block: `${parent ?? ''} ${event.index} ${field}`,
    text: event.delta[field] as string,
    replace(text) {
      piece.text = text
      // The parse made a copy; the line itself is what gets written.
      const line = json as { event: { delta: Record<string, unknown> } }
      line.event.delta[field] = text
    },
  }
  return piece
}

const endsPieces = (json: unknown) => endSchema.safeParse(json).success

function endsWithBeginningOf(text: string, secret: string): boolean {
  for (let length = Math.min(secret.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(secret.slice(0, length))) return true
  }
  return false
}

function readLine(text: string): Line {
  try {
    return { json: JSON.parse(text) as unknown }
  } catch {
    return { text }
  }
}
