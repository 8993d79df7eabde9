import { z } from 'zod'
import { JOB_ERROR_CODES } from './errors.js'
import { budgetUsd, conversationShape, metadataSchema, SESSION_ID_PATTERN, wholeNumber } from './job.js'
import { findJsonFault } from './json.js'
import { DEFAULTS, LIMITS } from './limits.js'
import { usageSchema } from './result.js'

/** Shapes of a named session: a conversation that goes on over many jobs and outlives the worker that ran it. */

/**
 * States of a session. `idle`: no turn runs, others may wait. `error`: its memory cannot be gone on from; it can be read and closed.
 * `closed`: an end.
 */
export const SESSION_STATES = ['idle', 'running', 'closed', 'error'] as const
export type SessionState = (typeof SESSION_STATES)[number]

/** The states a session may go to from each state. `running` to `running` is the attempt after a worker was lost. */
export const SESSION_TRANSITIONS: Readonly<Record<SessionState, readonly SessionState[]>> = {
  idle: ['running', 'closed', 'error'],
  running: ['running', 'idle', 'closed', 'error'],
  error: ['closed'],
  closed: [],
}

/** A label of a worker, and what a session asks of the worker that runs it. */
export const LABEL_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:/=-]{0,62}$/

/** What of a spec belongs to the conversation: of a job that names a session, these are the session's. */
export const conversationSchema = z.strictObject(conversationShape)
export type Conversation = z.output<typeof conversationSchema>
export const CONVERSATION_FIELDS = Object.keys(conversationShape) as (keyof Conversation)[]

/** `permissionMode` and `credential` have no default here: a fork takes what is left out from its parent. */
const givenConversation = z.strictObject({
  ...conversationShape,
  permissionMode: conversationShape.permissionMode
    .unwrap()
    .optional()
    .describe(`${conversationShape.permissionMode.description ?? ''} Default \`${DEFAULTS.permissionMode}\`.`),
  credential: conversationShape.credential
    .unwrap()
    .optional()
    .describe("Name of a secret that is kept on the worker's side. Default `default`."),
})

const ownShape = {
  labels: z
    .array(z.string().regex(LABEL_PATTERN, 'must be a label of a worker'))
    .max(LIMITS.labels)
    .transform((labels) => [...new Set(labels)])
    .optional()
    .describe('Labels that a worker must have, all of them, to run a turn. None: any worker.'),
  maxBudgetUsd: budgetUsd.optional().describe('What all turns together may cost, USD.'),
  ttlMs: wholeNumber(LIMITS.sessionTtlMinMs, LIMITS.sessionTtlMs)
    .optional()
    .describe('How long the session is kept after its last turn, ms. Default: the setting FLEET_SESSION_TTL_MS.'),
  metadata: metadataSchema.optional().describe('Returned untouched.'),
}

const forkOf = z
  .string()
  .regex(SESSION_ID_PATTERN, 'must be a session id')
  .optional()
  .describe(
    'Id of a session: the new one goes on from its memory, with its options where none is given here. Not while a turn of it runs.',
  )

/** A session as a caller asks for it. Without `fork` it begins with an empty memory. */
export const sessionSpecSchema = z
  .strictObject({ ...givenConversation.shape, ...ownShape, fork: forkOf })
  .refine(({ fork, cwd }) => fork === undefined || cwd === undefined, {
    path: ['cwd'],
    message: "is its parent's, where the files of the conversation are",
  })
export type SessionSpec = z.output<typeof sessionSpecSchema>
export type SessionInput = z.input<typeof sessionSpecSchema>

/** A session as the API shows it. Times are ms since the epoch. */
export const sessionViewSchema = z.object({
  id: z.string(),
  state: z.enum(SESSION_STATES),
  turns: z.number().describe('Turns that the memory holds, those of the session it was forked from included.'),
  queued: z.number().describe('Jobs of the session that have not ended, the running one included.'),
  job: z.string().optional().describe('The job whose turn runs.'),
  costUsd: z.number().describe('Sums over all turns of this session, also those that failed.'),
  usage: usageSchema,
  createdAt: z.number(),
  updatedAt: z.number(),
  expiresAt: z.number().describe('When it is removed, unless a turn comes before that.'),
  ttlMs: z.number(),
  worker: z.string().optional().describe('The worker of the last turn.'),
  transcriptBytes: z.number().describe('Size of its memory as it is kept, packed.'),
  labels: z.array(z.string()),
  metadata: z.record(z.string(), z.string()),
  maxBudgetUsd: z.number().optional(),
  parent: z.string().optional().describe('The session it was forked from.'),
  error: z
    .object({ code: z.enum(JOB_ERROR_CODES), message: z.string() })
    .optional()
    .describe('Of state `error`: why.'),
  options: conversationSchema
    .optional()
    .describe('What holds for every turn; in the answer about one session, not in lists.'),
})
export type SessionView = z.infer<typeof sessionViewSchema>

export const sessionListQuerySchema = z.strictObject({
  state: z.enum(SESSION_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.listItems).default(DEFAULTS.listItems),
  cursor: z
    .string()
    .regex(/^\d{1,16}-[a-z0-9_]{1,64}$/, 'must be a nextCursor of an earlier page')
    .optional(),
})
export type SessionListQuery = z.output<typeof sessionListQuerySchema>

export const sessionPageSchema = z.object({ items: z.array(sessionViewSchema), nextCursor: z.string().optional() })
export type SessionPage = z.infer<typeof sessionPageSchema>

/** A session on its way to another fleet: what it was asked for with, and its memory, one JSON line of claude's each. */
export const sessionImportSchema = z.strictObject({
  ...givenConversation.shape,
  ...ownShape,
  transcript: z
    .string()
    .superRefine((text, context) => {
      const fault = transcriptFault(text)
      if (fault !== undefined) context.addIssue(fault)
    })
    .describe('The lines of an export, `GET /v1/sessions/:id/transcript`.'),
})
export type SessionImport = z.output<typeof sessionImportSchema>
export type SessionImportInput = z.input<typeof sessionImportSchema>

const rowSchema = z.looseObject({ type: z.string(), sessionId: z.uuid().optional() })

/** The lines of a transcript, without empty ones. */
export function transcriptRows(text: string): string[] {
  return text.split('\n').filter((row) => row.trim() !== '')
}

/** The id that claude gave the conversation of these lines. Undefined: they are none. */
export function claudeIdOf(rows: readonly string[]): string | undefined {
  for (const row of rows) {
    const id = rowSchema.safeParse(parseRow(row)).data?.sessionId
    if (id !== undefined) return id
  }
  return undefined
}

function transcriptFault(text: string): string | undefined {
  const rows = transcriptRows(text)
  const ids = new Set<string>()
  for (const [at, row] of rows.entries()) {
    const value = parseRow(row)
    const parsed = rowSchema.safeParse(value)
    if (!parsed.success || findJsonFault(value) !== undefined) return `line ${at + 1} is no line of a transcript`
    if (parsed.data.sessionId !== undefined) ids.add(parsed.data.sessionId)
  }
  return ids.size === 1 ? undefined : 'must be the lines of one conversation'
}

function parseRow(row: string): unknown {
  try {
    return JSON.parse(row)
  } catch {
    return undefined
  }
}
