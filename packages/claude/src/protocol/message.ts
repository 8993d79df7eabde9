import { z } from 'zod'
import type { ResultMessage } from '../types.js'

/**
 * The lines of claude's stdout, as far as the fleet relies on them. Loose on purpose: unknown fields do no harm, unknown
 * types and known types of an unknown shape are `other`, so that a newer claude does not break a worker.
 */
export type ClaudeMessage =
  z.infer<(typeof SCHEMAS)[keyof typeof SCHEMAS]> | ResultMessage | { type: 'other'; name: string }

const word = z.string().optional().catch(undefined)
const contentBlock = z.object({
  type: z.string(),
  text: word,
  id: word,
  name: word,
  tool_use_id: word,
  is_error: z.boolean().optional().catch(undefined),
  input: z.unknown().optional(),
  content: z.unknown().optional(),
})
const parent = z.string().nullish()

/** By `type`. A `result` has a schema of its own. */
export const SCHEMAS = {
  system: z.object({
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
  stream_event: z.object({
    type: z.literal('stream_event'),
    parent_tool_use_id: parent,
    event: z.object({
      type: z.string(),
      index: z.number().optional(),
      message: z.object({ id: z.string(), usage: z.unknown().optional() }).optional(),
      delta: z
        .object({
          type: z.string().optional(),
          text: z.string().optional(),
          thinking: z.string().optional(),
          stop_reason: z.string().nullish(),
        })
        .optional(),
      usage: z.unknown().optional(),
    }),
    abandoned_blocks: z.object({ api_message_id: z.string(), from_block_index: z.number() }).optional(),
  }),
  assistant: z.object({
    type: z.literal('assistant'),
    parent_tool_use_id: parent,
    error: z.string().nullish(),
    message: z.object({ id: z.string(), model: z.string().optional(), content: z.array(contentBlock) }),
  }),
  user: z.object({
    type: z.literal('user'),
    parent_tool_use_id: parent,
    message: z.object({ content: z.union([z.string(), z.array(contentBlock)]) }),
  }),
  control_request: z.object({
    type: z.literal('control_request'),
    request_id: z.string(),
    request: z.object({ subtype: z.string() }),
  }),
  control_response: z.object({
    type: z.literal('control_response'),
    response: z.object({
      subtype: z.string(),
      request_id: z.string(),
      response: z.looseObject({}).nullish(),
      error: z.string().optional(),
    }),
  }),
  command_lifecycle: z.object({
    type: z.literal('command_lifecycle'),
    command_uuid: z.string(),
    state: z.string(),
  }),
  conversation_reset: z.object({
    type: z.literal('conversation_reset'),
    user_message_uuid: z.string().optional(),
  }),
  rate_limit_event: z.object({
    type: z.literal('rate_limit_event'),
    rate_limit_info: z.object({
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
  if (isDelta(value)) return value
  const type = nameOf(value)
  if (type === undefined) return undefined
  if (type === 'result') {
    const result = resultSchema.safeParse(value)
    return result.success ? result.data : { type: 'other', name: type }
  }
  if (!Object.hasOwn(SCHEMAS, type)) return { type: 'other', name: type }
  const parsed = SCHEMAS[type as keyof typeof SCHEMAS].safeParse(value)
  return parsed.success ? parsed.data : { type: 'other', name: type }
}

type Unchecked<T> = { [K in keyof T]?: unknown }

function nameOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { type } = value as Unchecked<{ type: string }>
  return typeof type === 'string' ? type : undefined
}

/**
 * A piece of an answer as the schema would take it. Nearly every line of a turn is one, and the schema costs as much as
 * reading the JSON, so this one shape is told by hand. Whatever else comes is the schema's to judge.
 */
function isDelta(value: unknown): value is z.infer<typeof SCHEMAS.stream_event> {
  if (nameOf(value) !== 'stream_event') return false
  const {
    event,
    parent_tool_use_id: agent,
    abandoned_blocks: abandoned,
  } = value as Unchecked<z.infer<typeof SCHEMAS.stream_event>>
  if (nameOf(event) !== 'content_block_delta' || abandoned !== undefined) return false
  if (agent !== undefined && agent !== null && typeof agent !== 'string') return false
  const { index, delta, message } = event as Unchecked<z.infer<typeof SCHEMAS.stream_event>['event']>
  if (typeof index !== 'number' || message !== undefined) return false
  const kind = nameOf(delta)
  const {
    text,
    thinking,
    stop_reason: stop,
  } = (delta ?? {}) as Unchecked<{ text: string; thinking: string; stop_reason: string }>
  if (stop !== undefined) return false
  if (kind === 'text_delta') return typeof text === 'string' && thinking === undefined
  return kind === 'thinking_delta' && typeof thinking === 'string' && text === undefined
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

/** An entry of `permission_denials` of a result. */
export const denialSchema = z.object({ tool_name: z.string(), tool_use_id: z.string() })

/** `system/init`: what a conversation begins with, all fields kept. */
export const initSchema = z.looseObject({
  type: z.literal('system'),
  subtype: z.literal('init'),
  session_id: z.string(),
})

/** Reply to `rewind_conversation`. */
export const rewindReplySchema = z.looseObject({ rewound: z.boolean(), targetMessageUuid: z.string().optional() })

/** The first row of a conversation in a transcript. */
export const transcriptRowSchema = z.looseObject({
  type: z.literal('user'),
  isMeta: z.literal(true),
  parentUuid: z.null(),
  uuid: z.string(),
  message: z.looseObject({ content: z.string() }),
})

/** Reply to `get_usage`: the running total of the process, also in the middle of a turn (measured, 2.1.330). */
export const usageReplySchema = z.looseObject({ session: z.looseObject({ total_cost_usd: z.number() }) })
