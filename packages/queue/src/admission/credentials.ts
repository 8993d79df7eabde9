import { createHmac } from 'node:crypto'
import {
  CREDENTIAL_STATES,
  JOB_ERROR_CODES,
  type CredentialValue,
  type CredentialView,
  type JobError,
} from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import { CREDENTIAL_SEEN_MS } from '../redis/scripts/credentials.js'
import type { AttemptOutcome } from '../types.js'

/** Jobs looked at by one script, so that Redis is never held for long. */
const BATCH = 500

/**
 * Names a value of a credential without telling it: 16 hexadecimal digits of an HMAC over its environment. The same value has
 * the same name on every worker.
 */
export function fingerprintOf(env: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHmac('sha256', 'claude-fleet credential').update(JSON.stringify(pairs)).digest('hex').slice(0, 16)
}

/** What the API says of a credential, not of a job: no other attempt would fare better until somebody has mended it. */
const BREAKING: ReadonlySet<JobError['code']> = new Set(['AUTH_FAILED', 'INSUFFICIENT_CREDITS'])

/** Why a value of a credential cannot be used. `resumesAt` undefined: until an operator resumes it. */
export interface Closing {
  error: Pick<JobError, 'code' | 'message'>
  resumesAt: number | undefined
}

/** What an outcome says of the credential that it was got with: undefined where nothing is wrong with that. */
export function closingOf(outcome: AttemptOutcome): Closing | undefined {
  if (outcome.type === 'parked') return { error: outcome.error, resumesAt: outcome.resumesAt }
  if (outcome.type === 'failed' && BREAKING.has(outcome.error.code))
    return { error: outcome.error, resumesAt: undefined }
  return undefined
}

interface Place {
  client: Redis
  keys: Keys
}

/**
 * Where an attempt met the usage limit of its credential, or the API refused it: closes that value for all workers before
 * the outcome is written, so that none starts another attempt with it, and holds the jobs that wait for it. They are
 * not claimed until it is open again.
 */
export async function closeCredential(
  { client, keys }: Place,
  { name, fingerprint }: { name: string; fingerprint: string },
  { error, resumesAt }: Closing,
): Promise<void> {
  for (let left = '0'; ;) {
    const args = [keys.prefix, '', name, fingerprint, resumesAt ?? '', error.code, error.message, left, BATCH]
    const [word, next = ''] = await runScript(client, 'fleetPark', keys.credential(name), args)
    if (word !== 'more') return
    left = next
  }
}

/** An operator's word that it is good again. A value that was refused is tried with one job first. False: nobody has it. */
export async function resumeCredential({ client, keys }: Place, name: string): Promise<boolean> {
  const [word] = await runScript(client, 'fleetResumeCredential', keys.credential(name), [keys.prefix, '', name])
  return word === 'ok'
}

/** The credentials that workers have or that jobs wait for, by name. `now`: Redis's time, ms. */
export async function listCredentials({ client, keys }: Place, now: number): Promise<CredentialView[]> {
  const names = (await client.smembers(keys.credentials)).toSorted()
  const pipeline = client.pipeline()
  for (const name of names) pipeline.hgetall(keys.credential(name)).zcard(keys.credentialHeld(name))
  const replies = (await pipeline.exec()) ?? []
  const found: CredentialView[] = []
  for (const [at, name] of names.entries()) {
    const [fault, fields] = replies[2 * at] ?? [null, {}]
    const [heldFault, held] = replies[2 * at + 1] ?? [null, 0]
    if (fault !== null || heldFault !== null) throw fault ?? heldFault
    const values = valuesOf(fields as Record<string, string>, now)
    if (values.length > 0 || Number(held) > 0) found.push({ name, ...stateOf(values, now), jobs: Number(held), values })
  }
  return found
}

const closedSchema = z.object({
  state: z.enum(['parked', 'broken', 'trying']),
  code: z.enum(JOB_ERROR_CODES),
  message: z.string(),
  since: z.number(),
  resumesAt: z.number().optional(),
})

function valuesOf(fields: Readonly<Record<string, string>>, now: number): CredentialValue[] {
  const values = new Map<string, CredentialValue>()
  for (const [name, text] of Object.entries(fields)) {
    const [kind, value = ''] = name.split(':')
    const before = values.get(value) ?? { state: 'open' as const }
    if (kind === 'seen') values.set(value, { ...before, lastSeen: Number(text) })
    const closed = kind === 'closed' ? closedSchema.safeParse(parseJson(text)).data : undefined
    if (closed !== undefined && (closed.resumesAt ?? Infinity) > now) values.set(value, { ...before, ...closed })
  }
  return [...values.values()].filter((value) => value.state !== 'open' || isSeen(value, now))
}

const isSeen = ({ lastSeen = 0 }: CredentialValue, now: number) => lastSeen > now - CREDENTIAL_SEEN_MS

/** It is as good as the best value that a worker has. */
function stateOf(values: readonly CredentialValue[], now: number): Omit<CredentialValue, 'lastSeen'> {
  const seen = values.filter((value) => isSeen(value, now))
  const [best] = (seen.length > 0 ? seen : values).toSorted(
    (a, b) =>
      CREDENTIAL_STATES.indexOf(a.state) - CREDENTIAL_STATES.indexOf(b.state) ||
      (a.resumesAt ?? 0) - (b.resumesAt ?? 0),
  )
  if (best === undefined) return { state: 'open' }
  const { lastSeen: _lastSeen, ...state } = best
  return state
}
