import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { SettingsError } from '@claude-fleet/core'
import type { Trace } from '@claude-fleet/claude'
import type { Claim, Log } from '@claude-fleet/queue'
import type { Redact } from '../redactor.js'
import { createLineRedactor } from './line-redactor.js'

const MIB = 1024 * 1024
const CLOSE_MS = 2_000

/** Files of what is said to and by claude: debug mode. They hold prompts and answers. */
export interface Traces {
  /** The files of one attempt: `{jobId}.{attempt}.in.ndjson`, `.out.` and `.err.`, each made by its first line. */
  open(claim: Pick<Claim, 'jobId' | 'attempt'>): AttemptTrace
  /** Resolves when what was written is on the disk, or after 2 s. */
  close(): Promise<void>
}

export interface AttemptTrace extends Disposable {
  readonly line: Trace
}

export interface TraceDeps {
  redact: Redact
  /** The values that `redact` takes out. */
  secrets: readonly string[]
  log: Log
}

/**
 * Writes traces to `folder`, which is made for the worker's user alone. Rejects with SettingsError when it cannot be
 * used, or others may read it.
 *
 * Nothing here can harm an attempt: a file that cannot be written is given up with one line in the log, and so is one
 * whose disk is too slow. `fileBytes` is the most a file may hold; a last line says that it was cut. Secrets are taken
 * out before anything reaches the disk.
 */
export async function createTraces(
  folder: string,
  { redact, secrets, log }: TraceDeps,
  { fileBytes = 64 * MIB, pendingBytes = 8 * MIB } = {},
): Promise<Traces> {
  await preparePrivateFolder(folder)
  const open = new Set<WriteStream>()

  function openFile(path: string): { write(line: string): void; end(): void } {
    const stream = createWriteStream(path, { flags: 'wx', mode: 0o600 })
    open.add(stream)
    stream.once('close', () => open.delete(stream))
    let bytes = 0
    let done = false
    stream.on('error', (err) => {
      if (!done) log.warn({ err, path }, 'a trace could not be written; the attempt goes on without it')
      done = true
    })
    const cut = (reason: string) => {
      done = true
      stream.end(`${JSON.stringify({ trace: 'cut', reason })}\n`)
    }
    return {
      write(line) {
        if (done) return
        bytes += Buffer.byteLength(line) + 1
        if (bytes > fileBytes) cut(`a trace file holds at most ${fileBytes} bytes`)
        else if (stream.writableLength > pendingBytes) cut('the disk was too slow')
        else stream.write(`${line}\n`)
      },
      end() {
        if (!done) stream.end()
        done = true
      },
    }
  }

  return {
    open({ jobId, attempt }) {
      const files = new Map<string, { write(line: string): void; end(): void }>()
      const of = (direction: string) => {
        const known = files.get(direction)
        if (known !== undefined) return known
        const made = openFile(join(folder, `${jobId}.${attempt}.${direction}.ndjson`))
        files.set(direction, made)
        return made
      }
      const out = createLineRedactor(redact, secrets, (line) => of('out').write(line))
      const plain = createLineRedactor(redact, [], (line) => of('in').write(line))
      return {
        line(direction, line) {
          if (direction === 'out') out.push(line)
          else if (direction === 'in') plain.push(line)
          else of('err').write(JSON.stringify(redact(line)))
        },
        [Symbol.dispose]() {
          out.end()
          for (const file of files.values()) file.end()
        },
      }
    },
    async close() {
      const late = AbortSignal.timeout(CLOSE_MS)
      await Promise.allSettled([...open].map((stream) => finished(stream, { signal: late })))
    },
  }
}

async function preparePrivateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new SettingsError('FLEET_TRACE_DIR', `${JSON.stringify(folder)} cannot be made`, { cause })
  }
  const { mode } = await stat(folder)
  if ((mode & 0o077) !== 0) {
    throw new SettingsError(
      'FLEET_TRACE_DIR',
      `${JSON.stringify(folder)} can be read by others; run chmod 700 on it, or name one that does not exist`,
    )
  }
}
