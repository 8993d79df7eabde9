import { z } from 'zod'
import type { ResultMessage } from '../types.js'

/**
 * The lines of claude's stdout, as far as the fleet relies on them. Loose on purpose: unknown fields are kept, unknown
 * types and known types of an unknown shape are `other`, so that a newer claude does not break a worker.
 */
export type ClaudeMessage =
  z.infer<(typeof SCHEMAS)[keyof typeof SCHEMAS]> | ResultMessage | { type: 'other'; name: string }

const word = z.string().optional().catch(undefined)
const contentBlock = z.looseObject({
  type: z.string(),
  text: word,
  id: word,
  name: word,
  tool_use_id: word,
  is_error: z.boolean().optional().catch(undefined),
})
const parent = z.string().nullish()

const SCHEMAS = {
  system: z.looseObject({
    type: z.literal('system'),
    subtype: z.string(),
    session_id: z.string().optional(),
    model: z.string().optional(),
    claude_code_version: z.string().optional(),
    status: z.string().nullish(),
    error_status: z.number().nullish(),
    retry_delay_ms: z.number().optional(),
    tool_name: z.string().optional(),
    tool_use_id: z.string().optional(),
    tasks: z.array(z.unknown()).optional(),
  }),
  stream_event: z.looseObject({
    type: z.literal('stream_event'),
    parent_tool_use_id: parent,
    event: z.looseObject({
      type: z.string(),
      index: z.number().optional(),
      message: z.looseObject({ id: z.string(), usage: z.unknown().optional() }).optional(),
      delta: z
        .looseObject({
          type: z.string().optional(),
          text: z.string().optional(),
          thinking: z.string().optional(),
          stop_reason: z.string().nullish(),
        })
        .optional(),
      usage: z.unknown().optional(),
    }),
    abandoned_blocks: z.looseObject({ api_message_id: z.string(), from_block_index: z.number() }).optional(),
  }),
  assistant: z.looseObject({
    type: z.literal('assistant'),
    parent_tool_use_id: parent,
    error: z.string().nullish(),
    message: z.looseObject({ id: z.string(), model: z.string().optional(), content: z.array(contentBlock) }),
  }),
  user: z.looseObject({
    type: z.literal('user'),
    parent_tool_use_id: parent,
    message: z.looseObject({ content: z.union([z.string(), z.array(contentBlock)]) }),
  }),
  control_request: z.looseObject({
    type: z.literal('control_request'),
    request_id: z.string(),
    request: z.looseObject({ subtype: z.string() }),
  }),
  control_response: z.looseObject({
    type: z.literal('control_response'),
    response: z.looseObject({
      subtype: z.string(),
      request_id: z.string(),
      response: z.looseObject({}).nullish(),
      error: z.string().optional(),
    }),
  }),
  command_lifecycle: z.looseObject({
    type: z.literal('command_lifecycle'),
    command_uuid: z.string(),
    state: z.string(),
  }),
  rate_limit_event: z.looseObject({
    type: z.literal('rate_limit_event'),
    rate_limit_info: z.looseObject({
      status: z.string(),
      /** Seconds since the epoch. */
      resetsAt: z.number().nullish(),
      rateLimitType: z.string().nullish(),
    }),
  }),
} as const

const resultSchema = z.looseObject({
  type: z.literal('result'),
  subtype: z.string(),
  // A result that does not say whether it failed is not taken for a success.
  is_error: z.boolean().catch(true),
  result: z.string().optional().catch(undefined),
  errors: z.array(z.string()).optional().catch(undefined),
  api_error_status: z.number().nullish().catch(undefined),
  terminal_reason: z.string().optional().catch(undefined),
  stop_reason: z.string().nullish().catch(undefined),
  structured_output: z.unknown().optional(),
  session_id: z.string().catch(''),
  num_turns: z.number().catch(0),
})

/** One line of stdout as a message, or undefined when it is not a JSON object with a `type`. */
export function parseMessage(line: string): ClaudeMessage | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  const named = z.looseObject({ type: z.string() }).safeParse(value)
  if (!named.success) return undefined
  const { type } = named.data
  if (type === 'result') {
    const result = resultSchema.safeParse(value)
    return result.success ? result.data : { type: 'other', name: type }
  }
  if (!Object.hasOwn(SCHEMAS, type)) return { type: 'other', name: type }
  const parsed = SCHEMAS[type as keyof typeof SCHEMAS].safeParse(value)
  return parsed.success ? parsed.data : { type: 'other', name: type }
}

const tokens = z.number().catch(0)

/** `usage` of a message or a result of the Messages API. */
export const apiUsageSchema = z.object({
  input_tokens: tokens,
  output_tokens: tokens,
  cache_read_input_tokens: tokens,
  cache_creation_input_tokens: tokens,
})

/** `model_usage_since_last_result` of a result (2.1.x): what was spent since the result before, by model. */
export const modelUsageSchema = z.record(
  z.string(),
  z.looseObject({
    inputTokens: tokens,
    outputTokens: tokens,
    cacheReadInputTokens: tokens,
    cacheCreationInputTokens: tokens,
    costUSD: tokens,
  }),
)

/** Reply to `get_usage`: the running total of the process, also in the middle of a turn (measured, 2.1.330). */
export const usageReplySchema = z.looseObject({ session: z.looseObject({ total_cost_usd: z.number() }) })
