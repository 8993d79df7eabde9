import {
  conversationSchema,
  findJsonFault,
  FleetError,
  LIMITS,
  type Conversation,
  type JobSpec,
} from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Signer } from '../jobs/signature.js'
import type { Keys } from '../keys.js'
import { readSession, type SessionRecord } from './record.js'

/** Why a session takes no further turn, as the scripts say it. */
export type SessionFault = 'no_session' | 'session_closed' | 'session_error' | 'session_full'

/** A job, and where its caller wrote the session's id. */
interface Named {
  spec: JobSpec
  path: string
}

/**
 * The whole specs of jobs that are to be enqueued: one that names a session has the options of that conversation. Throws
 * FleetError `NOT_FOUND` when the tenant has no such session, `SESSION_CLOSED` when it is closed, `CONFLICT` when it takes no
 * more turns for another reason.
 */
export async function completeSpecs(
  { client, keys, signer }: { client: Redis; keys: Keys; signer: Signer },
  tenant: string,
  jobs: readonly Named[],
): Promise<JobSpec[]> {
  const known = new Map<string, { conversation: Conversation; room: number }>()
  const complete: JobSpec[] = []
  for (const { spec, path } of jobs) {
    const { prompt, session, ...rest } = spec
    if (session === undefined) {
      complete.push(spec)
      continue
    }
    const named = known.get(session) ?? (await readNamed({ client, keys, signer }, tenant, session, path))
    known.set(session, named)
    named.room -= 1
    if (named.room < 0) throw sessionRefusal('session_full', session, path)
    complete.push({ ...rest, ...named.conversation, prompt, session })
  }
  return complete
}

/** The whole spec of one job, as `completeSpecs` tells. */
export async function completeSpec(
  deps: { client: Redis; keys: Keys; signer: Signer },
  tenant: string,
  spec: JobSpec,
  path = 'session',
): Promise<JobSpec> {
  const [complete = spec] = await completeSpecs(deps, tenant, [{ spec, path }])
  return complete
}

async function readNamed(
  { client, keys, signer }: { client: Redis; keys: Keys; signer: Signer },
  tenant: string,
  id: string,
  path: string,
) {
  const found = await readSession(client, keys, tenant, id)
  if (found === undefined) throw sessionRefusal('no_session', id, path)
  const { record, queued } = found
  if (record.state === 'closed' || record.state === 'error') throw sessionRefusal(`session_${record.state}`, id, path)
  return { conversation: conversationOf(signer, id, record), room: LIMITS.sessionTurns - queued }
}

/** The options of a session. Throws FleetError `CONFLICT` for what nobody of this fleet has written. */
export function conversationOf(signer: Signer, id: string, { tenant, spec, mac }: SessionRecord): Conversation {
  if (findJsonFault(spec) === undefined && signer.verify({ kind: 'session', id, tenant, spec }, mac)) {
    const parsed = conversationSchema.safeParse(spec)
    if (parsed.success) return parsed.data
    throw new FleetError('CONFLICT', 'the options of the session cannot be used any more', { cause: parsed.error })
  }
  const message = 'the session is signed by nobody of this fleet: FLEET_JOB_KEY must be the same for all its parts'
  throw new FleetError('CONFLICT', message)
}

/** The error for a session that takes no turn. */
export function sessionRefusal(fault: SessionFault, id: string, path: string): FleetError {
  const refuse = (code: 'NOT_FOUND' | 'SESSION_CLOSED' | 'CONFLICT', message: string) =>
    new FleetError(code, `${path} ${id} ${message}`, { details: { session: id, errors: [{ path, message }] } })
  switch (fault) {
    case 'no_session':
      return refuse('NOT_FOUND', 'does not exist')
    case 'session_closed':
      return refuse('SESSION_CLOSED', 'is closed')
    case 'session_error':
      return refuse('CONFLICT', 'cannot be gone on with: see its error')
    case 'session_full':
      return refuse('CONFLICT', 'has as many turns waiting as it may')
  }
}

/** Is it one of the words that say why a session takes no turn? */
export function isSessionFault(word: string | undefined): word is SessionFault {
  return word === 'no_session' || word === 'session_closed' || word === 'session_error' || word === 'session_full'
}
