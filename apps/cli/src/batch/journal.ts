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

/** What is known of a line that was sent, or was about to be. */
export interface Sent {
  /** ms since the epoch. */
  sentAt: number
  /** Its job, when the fleet's answer was heard. */
  id?: string | undefined
}

/**
 * The memory of a batch, beside its output. What makes it safe to be killed at any moment: a line's idempotency key is
 * made of `token`, which is on the disk before the first line is sent, and `sending` is noted before the send.
 */
export interface Journal {
  /** 32 hex digits, random, of this batch alone. */
  token: string
  /** By line. */
  sent: ReadonlyMap<number, Sent>
  sending(line: number): Promise<void>
  answered(line: number, id: string): Promise<void>
  close(): Promise<void>
}

const headerSchema = z.object({
  batch: z.string().regex(/^[0-9a-f]{32}$/),
  version: z.literal(1),
  sha256: z.string(),
  fleet: z.string(),
})
const entrySchema = z.object({
  line: z.number().int().min(1),
  sentAt: z.number().optional(),
  id: z.string().regex(JOB_ID_PATTERN).optional(),
})

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
      await writer.write({ version: 1, batch: token, ...identity })
      await file.sync()
      await syncFolder(dirname(path))
    }
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    token,
    sent: kept?.sent ?? new Map<number, Sent>(),
    sending: (line) => writer.write({ line, sentAt: now() }),
    answered: (line, id) => writer.write({ line, id }),
    close: () => writer.close(),
  }
}

/** Undefined when there is none, or one that was killed before its first line was whole: then nothing was sent. */
async function readJournal(
  path: string,
): Promise<{ header: BatchIdentity & { batch: string }; sent: Map<number, Sent> } | undefined> {
  let header: z.infer<typeof headerSchema> | undefined
  const sent = new Map<number, Sent>()
  let end = 0
  try {
    for await (const { bytes, number, whole, end: after } of readLines(path, { maxBytes: LIMITS.jobBodyBytes })) {
      if (!whole) break
      end = after
      if (number === 1) {
        header = read(headerSchema, bytes, path, number)
        continue
      }
      const { line, sentAt = 0, id } = read(entrySchema, bytes, path, number)
      const before = sent.get(line)
      // The first time counts: from then on the fleet remembers the key.
      sent.set(line, { sentAt: before?.sentAt ?? sentAt, id: id ?? before?.id })
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  await truncate(path, end)
  return header === undefined ? undefined : { header, sent }
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
