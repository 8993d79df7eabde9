import { randomBytes } from 'node:crypto'
import { open, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FleetError, JOB_ID_PATTERN, LIMITS } from '@claude-fleet/core'
import { z } from 'zod'
import { createLineWriter, readLines } from './lines.js'

/** What a batch is: of which input, at which fleet. A batch that is continued must be the same. */
export interface BatchIdentity {
  /** Hex, of the input. */
  sha256: string
  /** Address of the fleet, without secrets. */
  fleet: string
}

/** A chunk that was sent, or was about to be, and whose answer was not heard. */
export interface OpenChunk {
  lines: readonly number[]
  /** ms since the epoch. */
  sentAt: number
}

/**
 * The memory of a batch, beside its output. What makes it safe to be killed at any moment: a chunk's idempotency key is
 * made of `token`, which is on the disk before the first is sent, and `sending` is noted before the send.
 */
export interface Journal {
  /** 32 hex digits, random, of this batch alone. */
  token: string
  /** Jobs by line, of earlier runs. */
  ids: ReadonlyMap<number, string>
  /** By key, of earlier runs. */
  open: ReadonlyMap<string, OpenChunk>
  sending(key: string, lines: readonly number[]): Promise<void>
  /** `ids` in the order of the lines. */
  answered(key: string, ids: readonly string[]): Promise<void>
  /** The fleet has nothing of the chunk and will never be asked for it again. */
  refused(key: string): Promise<void>
  close(): Promise<void>
}

const headerSchema = z.object({
  batch: z.string().regex(/^[0-9a-f]{32}$/),
  version: z.literal(2),
  sha256: z.string(),
  fleet: z.string(),
})
const chunkKey = z.string()
const entrySchema = z.union([
  z.object({ key: chunkKey, lines: z.array(z.number().int().min(1)), sentAt: z.number() }),
  z.object({ key: chunkKey, ids: z.array(z.string().regex(JOB_ID_PATTERN)) }),
  z.object({ key: chunkKey, refused: z.literal(true) }),
])

/**
 * Opens the journal of a batch, or begins it. Throws FleetError `INVALID_REQUEST` when it is that of another input or
 * fleet, or no journal.
 */
export async function openJournal(path: string, identity: BatchIdentity, now: () => number): Promise<Journal> {
  const kept = await readJournal(path)
  if (kept !== undefined) mustBeSame(path, kept.header, identity)
  const token = kept?.header.batch ?? randomBytes(16).toString('hex')
  const file = await open(path, 'a', 0o600)
  const writer = createLineWriter(file)
  try {
    if (kept === undefined) {
      await writer.write({ version: 2, batch: token, ...identity })
      await file.sync()
      await syncFolder(dirname(path))
    }
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    token,
    ids: kept?.ids ?? new Map<number, string>(),
    open: kept?.open ?? new Map<string, OpenChunk>(),
    sending: (key, lines) => writer.write({ key, lines, sentAt: now() }),
    answered: (key, ids) => writer.write({ key, ids }),
    refused: (key) => writer.write({ key, refused: true }),
    close: () => writer.close(),
  }
}

/** Undefined when there is none, or one that was killed before its first line was whole: then nothing was sent. */
async function readJournal(
  path: string,
): Promise<
  { header: BatchIdentity & { batch: string }; ids: Map<number, string>; open: Map<string, OpenChunk> } | undefined
> {
  let header: z.infer<typeof headerSchema> | undefined
  const ids = new Map<number, string>()
  const unanswered = new Map<string, OpenChunk>()
  let end = 0
  try {
    for await (const { bytes, number, whole, end: after } of readLines(path, { maxBytes: LIMITS.jobBodyBytes })) {
      if (!whole) break
      end = after
      if (number === 1) {
        header = read(headerSchema, bytes, path, number)
        continue
      }
      const entry = read(entrySchema, bytes, path, number)
      if ('lines' in entry) {
        // The first time counts: from then on the fleet remembers the key.
        unanswered.set(entry.key, { lines: entry.lines, sentAt: unanswered.get(entry.key)?.sentAt ?? entry.sentAt })
        continue
      }
      const chunk = unanswered.get(entry.key)
      unanswered.delete(entry.key)
      if ('ids' in entry) chunk?.lines.forEach((line, at) => ids.set(line, entry.ids[at] ?? ''))
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  await truncate(path, end)
  return header === undefined ? undefined : { header, ids, open: unanswered }
}

function read<S extends z.ZodType>(schema: S, bytes: Buffer, path: string, line: number): z.output<S> {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', `${path}, line ${line} is not what batch wrote`, { cause })
  }
}

function mustBeSame(path: string, kept: BatchIdentity, { sha256, fleet }: BatchIdentity): void {
  if (kept.sha256 !== sha256) {
    throw new FleetError(
      'INVALID_REQUEST',
      `${path} is of another input: the file has changed since the batch began; put it back, or begin anew with another --out`,
    )
  }
  if (kept.fleet !== fleet) {
    throw new FleetError(
      'INVALID_REQUEST',
      `the batch began at ${kept.fleet}, and this is ${fleet}; if both are the same fleet, change \`fleet\` in ${path}`,
    )
  }
}

/** A new file survives a crash of the host only when its folder's entry does. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
