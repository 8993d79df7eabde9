import { createHash } from 'node:crypto'
import { canonicalJson } from '@claude-fleet/core'
import { z } from 'zod'

/** What somebody did, or was refused. Names nothing secret: no key, no prompt, no query. */
export interface AuditFacts {
  /** The name of the call: its `operationId`, of the operators' site its route. */
  action: string
  /** Id of the API key, or name of the operator. Undefined: whoever it was did not say, or was not known. */
  who: string | undefined
  tenant: string | undefined
  /** Address of the other end of the connection, which behind a proxy is the proxy's. */
  from: string
  requestId: string
  status: number
  /** Id of what it was done to. */
  target?: string | undefined
  /** Id of what it made. */
  made?: string | undefined
}

export const auditLineSchema = z.object({
  v: z.literal(1),
  /** One for each run of a process; its lines are numbered from 1. */
  chain: z.string(),
  seq: z.number().int().positive(),
  /** ms since the epoch. */
  at: z.number(),
  role: z.string(),
  action: z.string(),
  who: z.string().optional(),
  tenant: z.string().optional(),
  from: z.string(),
  requestId: z.string(),
  status: z.number(),
  target: z.string().optional(),
  made: z.string().optional(),
  /** Hash of the line before in its chain; of the first, of the last line that was in the file. */
  prev: z.string(),
  hash: z.string(),
})
export type AuditLine = z.output<typeof auditLineSchema>

/** `prev` of the first line of all. */
export const NO_LINE = '0'.repeat(64)

/** SHA-256 of all of a line but its own hash. */
export function hashOf({ hash: _hash, ...rest }: AuditLine): string {
  return createHash('sha256').update(canonicalJson(rest)).digest('hex')
}
