import { z } from 'zod'
import { JOB_ERROR_CODES } from './errors.js'

/** Tokens of a job or attempt, as the Messages API counts them. */
export const usageSchema = z.object({
  inputTokens: z.number(),
  outputTokens: z.number(),
  cacheReadTokens: z.number(),
  cacheCreationTokens: z.number(),
})
export type Usage = z.infer<typeof usageSchema>

export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0 }

/** Sum of two usages, field by field. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheCreationTokens: a.cacheCreationTokens + b.cacheCreationTokens,
  }
}

/** How the attempt's process came to be: started for it, started ahead, or used before and proven clean. */
export const START_KINDS = ['cold', 'spare', 'reused'] as const
export type StartKind = (typeof START_KINDS)[number]

/** The result of a completed job: the BullMQ return value, and `result` in the API. */
export const jobResultSchema = z.object({
  text: z.string(),
  structuredOutput: z.unknown().optional(),
  sessionId: z.string().describe("The conversation's id as claude gave it."),
  numTurns: z.number(),
  durationMs: z.number().describe("From the attempt's start to its end, ms."),
  queueMs: z.number().describe("From the moment the job might first run to its first attempt's start, ms."),
  attempt: z.number(),
  start: z.enum(START_KINDS),
  usage: usageSchema,
  costUsd: z.number().describe("This attempt's own cost, USD; not the running total of the process."),
  model: z.string(),
  tools: z.record(z.string(), z.number()).describe('Tool name to times used.'),
  permissionDenials: z.array(z.object({ toolName: z.string(), toolUseId: z.string() })),
  log: z.object({ lines: z.number(), errors: z.number(), warnings: z.number() }),
  worker: z.string(),
})
export type JobResult = z.infer<typeof jobResultSchema>

/** How a failed attempt or job describes itself. */
export const jobErrorSchema = z.object({
  code: z.enum(JOB_ERROR_CODES),
  message: z.string(),
  retryable: z.boolean(),
  attempt: z.number(),
  details: z.record(z.string(), z.unknown()),
})
export type JobError = z.infer<typeof jobErrorSchema>

/** What one attempt came to. `lost`: its worker was. `fenced`: it was replaced while its worker could not reach Redis. */
const ATTEMPT_OUTCOMES = [
  'running',
  'completed',
  'failed',
  'cancelled',
  'parked',
  'returned',
  'lost',
  'fenced',
] as const

/** One line of a job's ledger: an attempt, however it ended, and what it cost. Times are ms since the epoch. */
export const attemptViewSchema = z.object({
  attempt: z.number(),
  worker: z.string(),
  startedAt: z.number(),
  endedAt: z.number().optional(),
  outcome: z.enum(ATTEMPT_OUTCOMES),
  code: z.enum(JOB_ERROR_CODES).optional(),
  costUsd: z.number().describe('USD; of a lost attempt as far as was seen.'),
  usage: usageSchema,
  tools: z.record(z.string(), z.number()).describe('Tool name to times used.'),
})
export type AttemptView = z.infer<typeof attemptViewSchema>
