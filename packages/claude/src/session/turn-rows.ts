import { z } from 'zod'

/** A row of a transcript, as far as it says where a turn stands (2.1.330). */
const rowSchema = z.looseObject({
  type: z.enum(['user', 'assistant']),
  isSidechain: z.boolean().optional(),
  message: z.looseObject({
    content: z.union([
      z.string(),
      z.array(
        z.looseObject({
          type: z.string(),
          id: z.string().optional(),
          name: z.string().optional(),
          tool_use_id: z.string().optional(),
          content: z.unknown().optional(),
        }),
      ),
    ]),
  }),
})
type Row = z.infer<typeof rowSchema>

/** How claude begins the result of a tool that was running as its turn was interrupted. */
const INTERRUPTED = "The user doesn't want to proceed with this tool use."

/**
 * The rows of a turn up to its last tool result: what an attempt can go on from. Undefined where no tool has come to its
 * end. What follows is left out: a tool that still ran and a reply that had begun come again.
 */
export function rowsToResume(turn: readonly string[]): string[] | undefined {
  const last = turn.findLastIndex((row) => toolResultsIn(row) > 0)
  return last === -1 ? undefined : turn.slice(0, last + 1)
}

/** Ends of tools of the main conversation that a row tells of. */
export function toolResultsIn(row: string): number {
  const parsed = read(row)
  if (parsed?.type !== 'user' || typeof parsed.message.content === 'string') return 0
  return parsed.message.content.filter(({ type, content }) => type === 'tool_result' && !wasInterrupted(content)).length
}

/**
 * Has the model had its last word in these rows of a turn that has ended? That is a reply that asks for no tool, or the
 * structured output: what claude answers to that ends the turn.
 */
export function holdsLastWord(turn: readonly string[]): boolean {
  const rows = turn.flatMap((row) => read(row) ?? [])
  const last = rows.at(-1)
  if (last === undefined || typeof last.message.content === 'string') return false
  const { content } = last.message
  if (last.type === 'assistant') return content.every(({ type }) => type !== 'tool_use')
  const outputs = new Set(rows.flatMap(blocksOf).flatMap(({ name, id }) => (name === STRUCTURED_OUTPUT ? id : [])))
  return content.some(({ type, tool_use_id: id }) => type === 'tool_result' && outputs.has(id))
}

const STRUCTURED_OUTPUT = 'StructuredOutput'
const blocksOf = ({ message }: Row) => (typeof message.content === 'string' ? [] : message.content)

function wasInterrupted(content: unknown): boolean {
  const text = typeof content === 'string' ? content : JSON.stringify(content ?? '')
  return text.includes(INTERRUPTED)
}

function read(text: string): Row | undefined {
  // Most rows are long and of no interest.
  if (!text.includes('"type":"user"') && !text.includes('"type":"assistant"')) return undefined
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const row = rowSchema.safeParse(json)
  return row.success && row.data.isSidechain !== true ? row.data : undefined
}
