import { createHash } from 'node:crypto'
import {
  canonicalJson,
  conversationSchema,
  DEFAULTS,
  FleetError,
  LIMITS,
  TENANT_PATTERN,
  type Conversation,
  type SessionImport,
  type SessionListQuery,
  type SessionPage,
  type SessionSpec,
  type SessionView,
} from '@claude-fleet/core'
import { Queue } from 'bullmq'
import { newSessionId } from '../ids.js'
import type { ProducerOptions, QueueDeps } from '../jobs/producer.js'
import { createSigner } from '../jobs/signature.js'
import { createKeys, QUEUE_NAME } from '../keys.js'
import { clientOf } from '../redis/connect.js'
import { within } from '../redis/deadline.js'
import { runScript } from '../redis/scripts.js'
import { closeSession } from './closing.js'
import { conversationOf, sessionRefusal } from './conversation.js'
import { listSessions } from './listing.js'
import { readSession, sessionView } from './record.js'
import { exportRows, packMemory, writeMemory, type ImportedMemory } from './transcript.js'

const CALL_MS = 5_000

/**
 * The named sessions of tenants. Every call ends within 5 s or rejects with FleetError `UNAVAILABLE`; a session of another
 * tenant does not exist: undefined.
 */
export interface Sessions {
  /**
   * `created`: false when the idempotency key had already made this session. Rejects with `IDEMPOTENCY_MISMATCH` when it was
   * used for another body, with `NOT_FOUND`, `SESSION_CLOSED` or `CONFLICT` when the session that is to be forked cannot be,
   * with `CONFLICT` when the tenant has as many as it may.
   */
  create(
    tenant: string,
    spec: SessionSpec,
    options?: { idempotencyKey?: string | undefined },
  ): Promise<{ session: SessionView; created: boolean }>
  get(tenant: string, id: string): Promise<SessionView | undefined>
  /** Newest first, without their options. */
  list(tenant: string, query: SessionListQuery): Promise<SessionPage>
  /** A new session with a memory that was exported. Rejects as `create` does. */
  import(tenant: string, imported: SessionImport): Promise<SessionView>
  /** The lines of its memory, in pieces; none before its first turn and after its close. Undefined: no such session. */
  export(tenant: string, id: string): Promise<AsyncIterable<string[]> | undefined>
  /** The running turn is cancelled, those that wait fail with `SESSION_CLOSED`, the memory goes. Does nothing the second time. */
  close(tenant: string, id: string): Promise<SessionView | undefined>
  /** Ends the connection's use; sessions stay. */
  end(): Promise<void>
}

export interface SessionsOptions extends ProducerOptions {
  /** How long a session that does not say so is kept after its last turn, ms. Default 7 days. */
  sessionTtlMs?: number | undefined
}

export function createSessions({ redis, log }: QueueDeps, options: SessionsOptions): Sessions {
  const { prefix, retentionMs, sessionTtlMs = DEFAULTS.sessionTtlMs } = options
  const client = clientOf(redis)
  const keys = createKeys(prefix)
  const queue = new Queue(QUEUE_NAME, { connection: client, prefix })
  queue.on('error', () => undefined)
  const signer = createSigner(options.jobKeys)

  async function create(tenant: string, spec: SessionSpec, key?: string, memory?: ImportedMemory) {
    if (!TENANT_PATTERN.test(tenant)) throw new FleetError('INVALID_REQUEST', 'the tenant is not a tenant name')
    const made = key === undefined ? undefined : await knownSession(tenant, spec, key)
    if (made !== undefined) return { session: made, created: false }
    const id = newSessionId()
    const args = [
      prefix,
      id,
      tenant,
      LIMITS.sessions,
      key === undefined ? '' : sha256(key),
      key === undefined ? '' : hashOf(spec),
      LIMITS.idempotencyMs,
      spec.fork ?? '',
      ...(await fieldsOf(tenant, id, spec)),
    ]
    // First, as nobody knows the id yet: a session that is there has its memory.
    if (memory !== undefined) await writeMemory(client, keys, id, memory)
    const more = memory === undefined ? [] : ['turns', memory.turns, 'transcriptBytes', memory.chunk.length]
    const [word, known = id] = await runScript(client, 'fleetSessionCreate', keys.session(id), [...args, ...more])
    if (word !== 'created' && word !== 'known') throw refusal(word, spec.fork ?? '')
    return { session: await viewOfKnown(tenant, known), created: word === 'created' }
  }

  /** What an earlier call with the key has made, whatever has become since of the session that it was to fork. */
  async function knownSession(tenant: string, spec: SessionSpec, key: string): Promise<SessionView | undefined> {
    const entry = await client.get(keys.idempotency(tenant, sha256(key)))
    if (entry === null) return undefined
    const [id = '', hash] = entry.split(' ')
    if (hash !== hashOf(spec)) throw refusal('mismatch', '')
    return viewOfKnown(tenant, id)
  }

  /** The session's time to live, and its fields in pairs. What a fork leaves out is its parent's. */
  async function fieldsOf(tenant: string, id: string, spec: SessionSpec): Promise<(string | number)[]> {
    const { labels, maxBudgetUsd, ttlMs, metadata, fork, ...given } = spec
    const parent = fork === undefined ? undefined : await readSession(client, keys, tenant, fork)
    if (fork !== undefined && parent === undefined) throw sessionRefusal('no_session', fork, 'fork')
    const inherited = parent === undefined ? {} : conversationOf(signer, fork ?? '', parent.record)
    const conversation: Conversation = conversationSchema.parse({ ...inherited, ...given })
    const stored = JSON.stringify(conversation)
    const mac = signer.sign({ kind: 'session', id, tenant, spec: JSON.parse(stored) as unknown })
    const fields = {
      spec: stored,
      mac,
      labels: JSON.stringify(labels ?? parent?.record.labels ?? []),
      metadata: JSON.stringify(metadata ?? {}),
      maxBudgetUsd,
    }
    return [
      ttlMs ?? parent?.record.ttlMs ?? sessionTtlMs,
      ...Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
    ]
  }

  async function get(tenant: string, id: string): Promise<SessionView | undefined> {
    const found = await readSession(client, keys, tenant, id)
    return found === undefined ? undefined : sessionView(id, found.record, found.queued)
  }

  async function viewOfKnown(tenant: string, id: string): Promise<SessionView> {
    const view = await get(tenant, id)
    if (view !== undefined) return view
    throw new FleetError('CONFLICT', 'the session that this idempotency key made is no longer kept')
  }

  async function close(tenant: string, id: string): Promise<SessionView | undefined> {
    const found = await closeSession({ client, keys, queue, log }, { tenant, id, retentionMs })
    return found ? get(tenant, id) : undefined
  }

  async function importSession(tenant: string, { transcript, ...spec }: SessionImport): Promise<SessionView> {
    return (await create(tenant, spec, undefined, await packMemory(transcript))).session
  }

  async function exportSession(tenant: string, id: string): Promise<AsyncIterable<string[]> | undefined> {
    const found = await readSession(client, keys, tenant, id)
    return found === undefined ? undefined : exportRows(client, keys, id)
  }

  const call = <T>(work: Promise<T>) => within(CALL_MS, work, 'Redis did not answer')
  return {
    create: (tenant, spec, { idempotencyKey } = {}) => call(create(tenant, spec, idempotencyKey)),
    get: (tenant, id) => call(get(tenant, id)),
    list: (tenant, query) => call(listSessions(client, keys, tenant, query)),
    close: (tenant, id) => call(close(tenant, id)),
    import: (tenant, imported) => call(importSession(tenant, imported)),
    export: (tenant, id) => call(exportSession(tenant, id)),
    async end() {
      await within(CALL_MS, queue.close(), 'the queue did not close').catch(() => undefined)
    },
  }
}

function refusal(word: string | undefined, fork: string): FleetError {
  switch (word) {
    case 'mismatch':
      return new FleetError('IDEMPOTENCY_MISMATCH', 'the idempotency key was used for another body', {
        retryable: false,
      })
    case 'full': {
      const message = `the tenant has ${LIMITS.sessions} sessions, as many as it may; close one first`
      return new FleetError('CONFLICT', message, { details: { limit: LIMITS.sessions } })
    }
    case 'session_running': {
      const message = 'has a turn that runs; fork it when that has ended'
      const details = { session: fork, errors: [{ path: 'fork', message }] }
      return new FleetError('CONFLICT', `fork ${fork} ${message}`, { retryable: true, details })
    }
    case 'session_closed':
    case 'session_error':
    case 'no_session':
      return sessionRefusal(word, fork, 'fork')
    default:
      return new FleetError('INTERNAL', 'the session could not be created')
  }
}

function hashOf(spec: SessionSpec): string {
  return sha256(canonicalJson({ session: spec }))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
