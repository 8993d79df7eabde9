import { z } from 'zod'

/** A request for a model's reply, as far as the simulator reads it. */
const blockSchema = z.looseObject({ type: z.string(), text: z.string().optional() })
const messageSchema = z.object({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(blockSchema)]),
})
export const requestSchema = z.looseObject({
  model: z.string(),
  max_tokens: z.number().optional(),
  stream: z.boolean().optional(),
  messages: z.array(messageSchema).min(1),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
})
export type ModelBody = z.infer<typeof requestSchema>

/** The texts of a message that a person may have written: without the reminders that claude puts beside them. */
export function textsOf(message: ModelBody['messages'][number]): string[] {
  const texts =
    typeof message.content === 'string'
      ? [message.content]
      : message.content.flatMap((block) => (block.type === 'text' && block.text !== undefined ? [block.text] : []))
  return texts.filter((text) => !text.startsWith('<system-reminder>'))
}

/**
 * The prompt that a request is about, and how many replies the model has given to it so far: the last user message
 * with a text of its own, and the assistant messages after it.
 */
export function promptOf(body: ModelBody): { prompt: string; replies: number } {
  const at = body.messages.findLastIndex((message) => message.role === 'user' && textsOf(message).length > 0)
  const message = body.messages[at]
  const prompt = message === undefined ? '' : (textsOf(message).at(-1) ?? '')
  const replies = body.messages.slice(at + 1).filter((later) => later.role === 'assistant').length
  return { prompt, replies }
}
