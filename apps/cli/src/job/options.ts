import { FleetError, PERMISSION_MODES, type JobInput } from '@claude-fleet/core'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { z } from 'zod'

/** Flags of a job as commander gives them. */
export interface JobFlags {
  session?: string
  cwd?: string
  model?: string
  systemPrompt?: string
  appendSystemPrompt?: string
  maxTurns?: number
  allowedTools?: string[]
  disallowedTools?: string[]
  permissionMode?: (typeof PERMISSION_MODES)[number]
  env?: Record<string, string>
  credential?: string
  outputSchema?: string
  maxBudgetUsd?: number
  timeoutMs?: number
  idleTimeoutMs?: number
  attempts?: number
  backoff?: 'exponential' | 'fixed'
  backoffDelayMs?: number
  backoffMaxDelayMs?: number
  backoffJitter?: number
  priority?: number
  delayMs?: number
  metadata?: Record<string, string>
  webhook?: string
  idempotencyKey?: string
}

/** Adds the flags that describe a job to a command. */
export function addJobOptions(command: Command): Command {
  return command
    .option('--session <id>', 'named session to continue')
    .option('--cwd <path>', "working directory, relative to the tenant's folder")
    .option('--model <name>', 'model')
    .option('--system-prompt <text>', 'replaces the system prompt')
    .option('--append-system-prompt <text>', 'is added to the system prompt')
    .option('--max-turns <n>', 'model round trips allowed', number)
    .option('--allowed-tools <rule>', 'tool that needs no permission, such as "Bash(git log:*)"; may repeat', list)
    .option('--disallowed-tools <rule>', 'tool that is taken away; may repeat', list)
    .addOption(new Option('--permission-mode <mode>', 'permission mode').choices(PERMISSION_MODES))
    .option('--env <name=value>', 'variable for tools; may repeat', pair)
    .option('--credential <name>', 'name of the credential to use')
    .option('--output-schema <file>', 'file with the JSON Schema of the structured output')
    .option('--max-budget-usd <usd>', 'most the job may cost, over all attempts', number)
    .option('--timeout-ms <ms>', 'running time of one attempt', number)
    .option('--idle-timeout-ms <ms>', 'longest silence of the model', number)
    .option('--attempts <n>', 'attempts allowed, 1 to 10', number)
    .addOption(new Option('--backoff <type>', 'how the wait between attempts grows').choices(['exponential', 'fixed']))
    .option('--backoff-delay-ms <ms>', 'wait before the second attempt', number)
    .option('--backoff-max-delay-ms <ms>', 'longest wait between attempts', number)
    .option('--backoff-jitter <share>', 'share of the wait that is random, 0 to 1', number)
    .option('--priority <n>', '0 first, to 9', number)
    .option('--delay-ms <ms>', 'wait before the first attempt', number)
    .option('--metadata <key=value>', 'kept with the job; may repeat', pair)
    .option('--webhook <id>', 'webhook that is told the end, whatever its events')
}

/** As `addJobOptions`, with the flag of a call that may be repeated. */
export function addEnqueueOptions(command: Command): Command {
  return addJobOptions(command).option('--idempotency-key <key>', 'makes the call safe to repeat for 24 h')
}

/** The job that a prompt and flags describe. Throws FleetError `INVALID_REQUEST` when the schema's file is not JSON. */
export function jobInput(prompt: string, flags: JobFlags, readFile: (path: string) => string): JobInput {
  const {
    idempotencyKey: _,
    outputSchema,
    backoff,
    backoffDelayMs,
    backoffMaxDelayMs,
    backoffJitter,
    ...fields
  } = flags
  const schema = outputSchema === undefined ? {} : { outputSchema: readSchema(outputSchema, readFile) }
  const wait = {
    ...(backoff === undefined ? {} : { type: backoff }),
    ...(backoffDelayMs === undefined ? {} : { delayMs: backoffDelayMs }),
    ...(backoffMaxDelayMs === undefined ? {} : { maxDelayMs: backoffMaxDelayMs }),
    ...(backoffJitter === undefined ? {} : { jitter: backoffJitter }),
  }
  return { prompt, ...fields, ...schema, ...(Object.keys(wait).length === 0 ? {} : { backoff: wait }) }
}

/** The JSON Schema in a file. Throws FleetError `INVALID_REQUEST` when it holds no JSON object. */
export function readSchema(path: string, readFile: (path: string) => string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFile(path)))
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', `--output-schema ${path} is not a file with a JSON object`, { cause })
  }
}

/** Reads the value of an option that is a number. */
export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It is not a number.')
  return value
}

/** Gathers the values of an option that may repeat. */
export function list(text: string, previous: string[] = []): string[] {
  return [...previous, text]
}

/** Gathers `name=value`. */
export function pair(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It is not name=value.')
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) }
}
