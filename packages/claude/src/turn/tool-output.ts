import { z } from 'zod'

const blocks = z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))

/** The readable part of a tool result's `content`, cut to `limit` bytes of UTF-8 between characters. */
export function toolOutput(content: unknown, limit: number): { output: string; truncated: boolean } {
  const text = readable(content)
  if (Buffer.byteLength(text) <= limit) return { output: text, truncated: false }
  // A character cut in half at the end decodes to U+FFFD, which is dropped with it.
  const cut = Buffer.from(text)
    .subarray(0, limit)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  return { output: cut, truncated: true }
}

function readable(content: unknown): string {
  if (typeof content === 'string') return content
  const parsed = blocks.safeParse(content)
  if (!parsed.success) return content === undefined || content === null ? '' : JSON.stringify(content)
  return parsed.data.map((block) => block.text ?? `[${block.type}]`).join('\n')
}
