import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { FleetError } from '@claude-fleet/core'

export interface FileLine {
  /** From 1. */
  number: number
  /** Without the line feed. */
  bytes: Buffer
  /** Offset in the file of what follows the line. */
  end: number
  /** Does a line feed end it? A writer that was killed leaves one that none does. */
  whole: boolean
}

const LINE_FEED = 0x0a

/**
 * The lines of a file, one in memory at a time. A line ends with a line feed alone: a JSON string may hold U+2028 as it
 * is. Throws FleetError `PAYLOAD_TOO_LARGE` for a line over `maxBytes`.
 */
export async function* readLines(path: string, { maxBytes }: { maxBytes: number }): AsyncGenerator<FileLine> {
  let held: Buffer[] = []
  let heldBytes = 0
  let number = 0
  let end = 0
  const hold = (piece: Buffer) => {
    held.push(piece)
    heldBytes += piece.length
    if (heldBytes > maxBytes) {
      throw new FleetError('PAYLOAD_TOO_LARGE', `${path}, line ${number + 1} is over ${maxBytes} bytes`)
    }
  }
  const take = (whole: boolean): FileLine => {
    const bytes = Buffer.concat(held)
    held = []
    heldBytes = 0
    number += 1
    end += bytes.length + (whole ? 1 : 0)
    return { number, bytes, end, whole }
  }
  for await (const chunk of createReadStream(path)) {
    let rest = chunk as Buffer
    for (let at = rest.indexOf(LINE_FEED); at >= 0; at = rest.indexOf(LINE_FEED)) {
      hold(rest.subarray(0, at))
      yield take(true)
      rest = rest.subarray(at + 1)
    }
    if (rest.length > 0) hold(rest)
  }
  if (heldBytes > 0) yield take(false)
}

/** Appends whole lines of JSON to a file, one after another, whoever asks. */
export interface LineWriter {
  /** Resolves when the system has the line: from then on it outlives this process, however that ends. */
  write(value: unknown): Promise<void>
  /** Waits for what is being written, has the disk keep it, and closes the file. */
  close(): Promise<void>
}

export function createLineWriter(file: FileHandle): LineWriter {
  let last: Promise<void> = Promise.resolve()
  return {
    write(value) {
      const line = `${JSON.stringify(value)}\n`
      // After a line that failed none may follow: it would be glued to a torn one.
      const written = last.then(() => file.appendFile(line))
      last = written
      // Whoever asked hears of it; the chain must not be an unhandled rejection as well.
      last.catch(() => undefined)
      return written
    },
    async close() {
      try {
        await last
        await file.sync()
      } finally {
        await file.close()
      }
    },
  }
}
