import { claudeIdOf, FleetError, transcriptRows } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import type { Keys } from '../keys.js'
import { packRows, unpackRows } from '../transcripts/rows.js'

/** The memory of a session, line by line, without the turn that runs. A chunk is read when the one before it was taken. */
export async function* exportRows(client: Redis, keys: Keys, session: string): AsyncGenerator<string[]> {
  const key = keys.transcript(session)
  const chunks = Number((await client.hget(key, 'chunks')) ?? 0)
  for (let at = 0; at < chunks; at += 1) {
    const chunk = await client.lindexBuffer(`${key}:rows`, at)
    if (chunk === null) return
    yield await unpackRows(chunk)
  }
}

/** A memory as it is written with a new session. */
export interface ImportedMemory {
  claudeId: string
  chunk: Buffer
  /** Completed turns: prompts that were answered by something. */
  turns: number
}

/** Packs lines that `sessionImportSchema` has passed. */
export async function packMemory(transcript: string): Promise<ImportedMemory> {
  const rows = transcriptRows(transcript)
  const claudeId = claudeIdOf(rows)
  if (claudeId === undefined) throw new FleetError('INVALID_REQUEST', 'the transcript is of no conversation')
  return { claudeId, chunk: await packRows(rows), turns: rows.filter(isPrompt).length }
}

/** Most that an imported memory may wait for its session, ms: whoever writes the two may die in between. */
const ORPHAN_MS = 60_000

/** Writes a memory for a session that is about to be created; `SESSION_CREATE` makes it stay. */
export async function writeMemory(client: Redis, keys: Keys, session: string, memory: ImportedMemory): Promise<void> {
  const key = keys.transcript(session)
  const { claudeId, chunk } = memory
  const replies = await client
    .multi()
    .hset(key, 'claudeId', claudeId, 'chunks', '1', 'bytes', String(chunk.length), 'rev', `import:${session}`)
    .rpush(`${key}:rows`, chunk)
    .pexpire(key, ORPHAN_MS)
    .pexpire(`${key}:rows`, ORPHAN_MS)
    .exec()
  for (const [fault] of replies ?? []) if (fault !== null) throw fault
}

/** Claude's line of a prompt, and not of a tool's result. */
function isPrompt(row: string): boolean {
  const { type, message } = JSON.parse(row) as { type?: unknown; message?: { content?: unknown } }
  if (type !== 'user') return false
  const content = message?.content
  if (!Array.isArray(content)) return typeof content === 'string'
  return content.every((block) => (block as { type?: unknown }).type !== 'tool_result')
}
