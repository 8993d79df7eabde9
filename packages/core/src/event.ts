import { z } from 'zod'
import { jobErrorSchema, jobResultSchema, START_KINDS } from './result.js'

/** The events of a job's stream (contract, section 4). `seq` rises by one from 1 over all attempts of a job. */

const envelope = {
  jobId: z.string(),
  attempt: z.number().int().min(0).describe('0 before the first attempt.'),
  seq: z.number().int().min(1).describe('Rises by one from 1, over all attempts of the job.'),
  ts: z.number().describe('ms since the epoch.'),
}

const bodies = {
  queued: {},
  started: { worker: z.string(), sessionId: z.string(), start: z.enum(START_KINDS) },
  text: { text: z.string() },
  thinking: { text: z.string() },
  text_reset: {},
  tool_use: { id: z.string(), name: z.string(), input: z.unknown() },
  tool_result: { id: z.string(), isError: z.boolean(), output: z.string(), truncated: z.boolean() },
  log: { stream: z.enum(['stdout', 'stderr']), line: z.string() },
  retry: { error: jobErrorSchema, nextAttempt: z.number(), delayMs: z.number() },
  parked: { error: jobErrorSchema, resumesAt: z.number().optional() },
  completed: { result: jobResultSchema },
  failed: { error: jobErrorSchema },
  cancelled: { reason: z.string() },
} as const

const event = <T extends keyof typeof bodies>(type: T, meaning: string) =>
  z.object({ ...envelope, type: z.literal(type), ...bodies[type] }).describe(meaning)

export const fleetEventSchema = z.discriminatedUnion('type', [
  event('queued', 'The job was accepted. Always the first.'),
  event('started', 'An attempt has its `claude` process.'),
  event('text', 'A piece of the answer, as it comes.'),
  event('thinking', 'A piece of what the model thinks, as it comes.'),
  event('text_reset', 'The deltas since the last `text_reset`, `started` or `tool_use` are void and come again.'),
  event('tool_use', 'A tool is called.'),
  event('tool_result', 'What the tool gave; `output` is cut to a limit, which `truncated` tells.'),
  event('log', 'A line that `claude` wrote beside its protocol.'),
  event('retry', 'An attempt failed, and the next one comes after `delayMs`.'),
  event(
    'parked',
    'The job waits for a usage limit to reset at `resumesAt`, or without it until an operator resumes its credential; no attempt is spent.',
  ),
  event('completed', 'The end: there is a result.'),
  event('failed', 'The end: there is none, and why.'),
  event('cancelled', 'The end: it was cancelled.'),
])

/** An event as the log keeps it. */
export type FleetEvent = z.infer<typeof fleetEventSchema>
export type EventType = FleetEvent['type']

/** Told to a subscriber in place of events `from` to `to` (both included) that were cut from the log. `seq` is `to`. */
export const gapEventSchema = z
  .object({ ...envelope, type: z.literal('gap'), from: z.number(), to: z.number() })
  .describe('In place of the events `from` to `to`, both included, that were cut from the log.')
export type GapEvent = z.infer<typeof gapEventSchema>

/** What a subscriber may receive. */
export const streamEventSchema = z.discriminatedUnion('type', [...fleetEventSchema.options, gapEventSchema])
export type StreamEvent = z.infer<typeof streamEventSchema>

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** An event before the writer has given it its place: what an attempt says. */
export type EventBody = DistributiveOmit<FleetEvent, keyof typeof envelope>

export const END_EVENT_TYPES = ['completed', 'failed', 'cancelled'] as const
export type EndEventType = (typeof END_EVENT_TYPES)[number]
export type EndEvent = Extract<FleetEvent, { type: EndEventType }>

/** Is this the last event of its job? */
export function isEndEvent(candidate: { type: string }): candidate is EndEvent {
  return (END_EVENT_TYPES as readonly string[]).includes(candidate.type)
}
