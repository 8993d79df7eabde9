import { randomBytes } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { SettingsError } from '@claude-fleet/core'
import type { Logger } from 'pino'
import { auditLineSchema, hashOf, NO_LINE, type AuditFacts } from './line.js'

/** Writes down who did what. */
export interface AuditLog {
  /** Returns at once. */
  record(facts: AuditFacts): void
  /** Resolves when all is written. */
  close(): Promise<void>
}

export interface AuditOptions {
  /** `api` or `board`. */
  role: string
  /** Where lines are appended; made with mode 0600. Undefined: what changes something is a line of the log instead. */
  file: string | undefined
}

const TAIL_BYTES = 64 * 1_024
const READS: ReadonlySet<number> = new Set([200, 204, 304])

/**
 * Opens the audit log. Each line holds the hash of the one before, so that one that was changed or taken out is seen by
 * `verifyAudit`. Several processes may append to one file: each has its own chain, that begins at the last line it found.
 *
 * Rejects with SettingsError when the file cannot be opened: a service that is to keep one does not run without.
 */
export async function openAuditLog({ log }: { log: Logger }, { role, file }: AuditOptions): Promise<AuditLog> {
  if (file === undefined) return { record: (facts) => sayIn(log, facts), close: async () => undefined }
  const handle = await open(file, 'a+', 0o600).catch((cause: unknown) => {
    throw new SettingsError('FLEET_AUDIT_LOG', `cannot open ${JSON.stringify(file)}`, { cause })
  })
  const chain = randomBytes(8).toString('hex')
  const { torn, last } = await lastLine(handle)
  let prev = last
  let seq = 0
  let pending = torn ? '\n' : ''
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    while (pending !== '') {
      const text = pending
      pending = ''
      try {
        await handle.appendFile(text)
      } catch (err) {
        // What cannot be kept there is at least said here.
        log.error({ err, audit: text }, 'lines of the audit log could not be written')
      }
    }
    writing = undefined
  }

  return {
    record(facts) {
      seq += 1
      const line = { v: 1 as const, chain, seq, at: Date.now(), role, ...defined(facts), prev, hash: '' }
      line.hash = hashOf(line)
      prev = line.hash
      pending += `${JSON.stringify(line)}\n`
      writing ??= write()
    },
    async close() {
      await writing
      await handle.close()
    },
  }
}

/** Without a file: reads would be a second line for each request, and are left to the log of requests. */
function sayIn(log: Logger, facts: AuditFacts): void {
  const isRead = READS.has(facts.status) && /^(get|list|stream|wait)/i.test(facts.action)
  log[isRead ? 'debug' : 'info']({ audit: defined(facts) }, 'audit')
}

function defined(facts: AuditFacts) {
  const { who, tenant, target, made, ...rest } = facts
  return {
    ...rest,
    ...(who === undefined ? {} : { who }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(target === undefined ? {} : { target }),
    ...(made === undefined ? {} : { made }),
  }
}

/** The hash of the last whole line; `torn`: a process was ended within one. */
async function lastLine(handle: FileHandle): Promise<{ torn: boolean; last: string }> {
  const { size } = await handle.stat()
  const length = Math.min(size, TAIL_BYTES)
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length)
  const text = buffer.toString('utf8')
  for (const line of text.split('\n').toReversed()) {
    const found = auditLineSchema.safeParse(parse(line))
    if (found.success) return { torn: !text.endsWith('\n'), last: found.data.hash }
  }
  return { torn: text !== '' && !text.endsWith('\n'), last: NO_LINE }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
