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
  system: z.union([z.string(), z.array(blockSchema)]).optional(),
  messages: z.array(messageSchema).min(1),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
})
export type ModelBody = z.infer<typeof requestSchema>

/** What claude asks for beside the conversation, by the words of 2.1.330: a title for it, a summary of it. */
const TITLE = /^You are naming a coding session/m
const SUMMARY = /^CRITICAL: Respond with TEXT ONLY\./
/** What claude tells the model by itself when a reply was not what it should be; the prompt is still the person's. */
const CONTINUATION =
  /^(Continue from where you left off\.$|Output token limit hit\. Resume|Your response above was stopped by a safety|\[structured-output-enforce\])/

/** The texts of a message that a person may have written: without the reminders that claude puts beside them. */
export function textsOf(message: ModelBody['messages'][number]): string[] {
  const texts = plainTexts(message.content)
  return texts.filter((text) => !text.startsWith('<system-reminder>'))
}

/** The system prompt: the texts of `system`, and what claude adds to it in messages of that role. */
export function systemOf(body: ModelBody): string {
  const added = body.messages.filter((message) => message.role === 'system').flatMap((one) => plainTexts(one.content))
  return [...plainTexts(body.system ?? []), ...added].join('\n')
}

/**
 * The prompt that a request is about, and how many replies the model has given to it so far: the last user message
 * with a text of its own, and the assistant messages after it.
 */
export function promptOf(body: ModelBody): { prompt: string; replies: number } {
  const at = body.messages.findLastIndex((message) => message.role === 'user' && ownTexts(message).length > 0)
  const message = body.messages[at]
  const prompt = message === undefined ? '' : (ownTexts(message).at(-1) ?? '')
  const replies = body.messages.slice(at + 1).filter((later) => later.role === 'assistant').length
  return { prompt, replies }
}

/**
 * `turn`: a round trip of a conversation, a subagent's included. `side`: what claude asks for itself: a probe of a model
 * (`max_tokens` 1), a count of tokens, a title or a summary (measured, 2.1.330).
 */
export function kindOf(path: string, body: ModelBody, prompt: string): 'turn' | 'side' {
  const isSide = path !== '/v1/messages' || body.max_tokens === 1 || SUMMARY.test(prompt) || TITLE.test(systemOf(body))
  return isSide ? 'side' : 'turn'
}

/** Claude marks what its subagents ask for in the first block of the system prompt (measured, 2.1.330). */
export function isSubagent(body: ModelBody): boolean {
  return /^x-anthropic-billing-header:.*\bcc_is_subagent=true/.test(systemOf(body))
}

function ownTexts(message: ModelBody['messages'][number]): string[] {
  return textsOf(message).filter((text) => !CONTINUATION.test(text))
}

function plainTexts(content: ModelBody['messages'][number]['content']): string[] {
  if (typeof content === 'string') return [content]
  return content.flatMap((block) => (block.type === 'text' && block.text !== undefined ? [block.text] : []))
}
