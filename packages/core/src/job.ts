import { z } from 'zod'
import { findJsonFault, utf8Bytes } from './json.js'
import { DEFAULTS, LIMITS } from './limits.js'
import { WEBHOOK_ID_PATTERN } from './webhook.js'

/**
 * The schema of a prompt job (contract, section 3). The API, the client and the worker all parse with it; the worker's
 * parse is the one that counts, because Redis can be written by others.
 */

/** Permission modes claude knows. Which of them a job may name is the operator's `FLEET_PERMISSION_MODES`. */
export const PERMISSION_MODES = ['default', 'dontAsk', 'acceptEdits', 'plan', 'auto', 'bypassPermissions'] as const
export type PermissionMode = (typeof PERMISSION_MODES)[number]

/** Lower case only: a tenant is a folder name, and some file systems do not tell `A` from `a`. */
export const TENANT_PATTERN = /^[a-z0-9][a-z0-9_-]{0,62}$/
export const JOB_ID_PATTERN = /^j_[a-z2-7]{26}$/
export const SESSION_ID_PATTERN = /^s_[a-z2-7]{26}$/
export const BATCH_ID_PATTERN = /^b_[a-z2-7]{26}$/
export const CREDENTIAL_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
export const ENV_NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
export const WORKER_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/
/** Printable ASCII, so that the key can be logged and compared without surprises. */
export const IDEMPOTENCY_KEY_PATTERN = /^[\x20-\x7e]{1,255}$/

export const DEFAULT_TENANT = 'default'
export const DEFAULT_CREDENTIAL = 'default'

const noNul = (text: string) => !text.includes('\0')
const text = (maxBytes: number) =>
  z
    .string()
    .refine(noNul, 'must not contain NUL')
    .refine((value) => utf8Bytes(value) <= maxBytes, `must be at most ${maxBytes} bytes of UTF-8`)

/** A whole number of these bounds. */
export const wholeNumber = (min: number, max: number) =>
  z.number({ error: 'must be a number' }).int('must be a whole number').min(min).max(max)

const prompt = z
  .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be a string') })
  .refine((value) => value.trim() !== '', 'must not be empty or only white space')
  .refine(noNul, 'must not contain NUL')
  // The front door asks `isPromptTooLong` first, to answer 413; Redis can be written by others.
  .refine((value) => utf8Bytes(value) <= LIMITS.promptBytes, `must be at most ${LIMITS.promptBytes} bytes of UTF-8`)
  .describe(`What is asked, as text: 1 to ${LIMITS.promptBytes} bytes of UTF-8, without NUL. Longer is 413.`)

/** A tool rule such as `Read` or `Bash(git log:*)`. Line breaks and a leading dash have no use in one. */
const toolRules = z
  .array(z.string().regex(/^[^\s\p{Cc}-][^\p{Cc}]{0,999}$/u, 'must be a tool name or rule such as Bash(git log:*)'))
  .max(LIMITS.toolRules)
  .refine(
    (rules) => utf8Bytes(rules.join(',')) <= LIMITS.toolRulesBytes,
    `must be at most ${LIMITS.toolRulesBytes} bytes`,
  )

const relativePath = z
  .string()
  .min(1)
  .max(1_024)
  .refine(noNul, 'must not contain NUL')
  .refine((path) => !path.startsWith('/') && !path.startsWith('~') && !path.includes('\\'), 'must be a relative path')
  .refine((path) => path.split('/').every((part) => part !== '..'), 'must not leave the workspace with ..')
  .describe("Working directory, relative to the tenant's folder.")

const jsonSchemaObject = z
  .record(z.string(), z.unknown())
  .refine((schema) => findJsonFault(schema) === undefined, 'must be a plain JSON Schema')
  .refine((schema) => utf8Bytes(JSON.stringify(schema)) <= LIMITS.outputSchemaBytes, {
    message: `must be at most ${LIMITS.outputSchemaBytes} bytes`,
  })

const environment = z
  .record(z.string().regex(ENV_NAME_PATTERN, 'must be an environment variable name'), text(LIMITS.envValueBytes))
  .refine((env) => Object.keys(env).length <= LIMITS.envEntries, `must have at most ${LIMITS.envEntries} entries`)

export const metadataSchema = z
  .record(z.string().min(1).max(128), z.string({ error: 'must be a string' }))
  .refine(
    (map) => Object.keys(map).length <= LIMITS.metadataEntries,
    `must have at most ${LIMITS.metadataEntries} entries`,
  )
  .refine(
    (map) => utf8Bytes(JSON.stringify(map)) <= LIMITS.metadataBytes,
    `must be at most ${LIMITS.metadataBytes} bytes`,
  )

const backoff = z
  .strictObject({
    type: z.enum(['exponential', 'fixed']).default(DEFAULTS.backoff.type),
    delayMs: wholeNumber(0, LIMITS.backoffMs).default(DEFAULTS.backoff.delayMs),
    maxDelayMs: wholeNumber(0, LIMITS.backoffMs).default(DEFAULTS.backoff.maxDelayMs),
    jitter: z
      .number()
      .min(0)
      .max(1)
      .default(DEFAULTS.backoff.jitter)
      .describe('Share of the delay that is random: 0 none, 1 all of it.'),
  })
  .default(DEFAULTS.backoff)
  .describe('Wait between attempts.')

export const budgetUsd = z.number().positive().max(LIMITS.maxBudgetUsd)

/** Options that hold for a whole conversation: of a job with an ephemeral session, or of a named session. */
export const conversationShape = {
  cwd: relativePath.optional(),
  model: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@[\]-]{0,199}$/, 'must be a model name')
    .optional()
    .describe('Model name or alias. Left out: the default of claude.'),
  systemPrompt: text(LIMITS.systemPromptBytes).optional().describe('In place of the system prompt of claude.'),
  appendSystemPrompt: text(LIMITS.systemPromptBytes).optional().describe('After the system prompt of claude.'),
  allowedTools: toolRules
    .optional()
    .describe('Tools that run without being asked for, such as `Read` or `Bash(git log:*)`.'),
  disallowedTools: toolRules.optional().describe('Tools that never run.'),
  permissionMode: z
    .enum(PERMISSION_MODES)
    .default(DEFAULTS.permissionMode)
    .describe('What happens to tools that no rule names. The operator lists the modes that jobs may ask for.'),
  env: environment.optional().describe('Environment variables of the job; only names that the operator allows.'),
  credential: z
    .string()
    .regex(CREDENTIAL_PATTERN, 'must be a credential name')
    .default(DEFAULT_CREDENTIAL)
    .describe("Name of a secret that is kept on the worker's side."),
  outputSchema: jsonSchemaObject
    .optional()
    .describe('JSON Schema of the answer; the result then carries `structuredOutput`.'),
}

export const jobSpecSchema = z.strictObject({
  prompt,
  session: z
    .string()
    .regex(SESSION_ID_PATTERN, 'must be a session id')
    .optional()
    .describe(
      'Id of the named session whose conversation this continues. Options that hold for the conversation are then the ' +
        "session's, and are an error here.",
    ),
  ...conversationShape,
  maxTurns: wholeNumber(1, LIMITS.maxTurns).optional().describe('Turns of the model after which the job fails.'),
  maxBudgetUsd: budgetUsd.optional().describe('What the job may cost over all attempts, USD.'),
  timeoutMs: wholeNumber(LIMITS.timeoutMinMs, LIMITS.timeoutMs)
    .default(DEFAULTS.timeoutMs)
    .describe('Running time of one attempt, ms.'),
  idleTimeoutMs: wholeNumber(LIMITS.timeoutMinMs, LIMITS.timeoutMs)
    .default(DEFAULTS.idleTimeoutMs)
    .describe('Time without a sign of life, ms.'),
  attempts: wholeNumber(1, LIMITS.attempts)
    .default(DEFAULTS.attempts)
    .describe('How many attempts may fail before the job does; only failures that may heal are tried again.'),
  backoff,
  priority: wholeNumber(0, LIMITS.priority).default(0).describe('0 first, to 9; within one tenant.'),
  delayMs: wholeNumber(0, LIMITS.delayMs).default(0).describe('Not before this much time has passed, ms.'),
  metadata: metadataSchema.default({}).describe('Returned untouched.'),
  webhook: z
    .string()
    .regex(WEBHOOK_ID_PATTERN, 'must be the id of a webhook')
    .optional()
    .describe('Id of a webhook of the tenant that is told the end of this job, whatever its `events`.'),
})

/** A job as the fleet runs it: every default filled in. */
export type JobSpec = z.output<typeof jobSpecSchema>
/** A job as a caller writes it: only `prompt` is required. */
export type JobInput = z.input<typeof jobSpecSchema>

/** Is the prompt longer than the contract allows? Asked before the schema, because its answer is 413 and not 400. */
export function isPromptTooLong(value: unknown): boolean {
  return typeof value === 'string' && utf8Bytes(value) > LIMITS.promptBytes
}
