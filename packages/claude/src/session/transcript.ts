import { open, type FileHandle } from 'node:fs/promises'

/** A conversation as claude keeps it: one row of JSON each. `sessionId` is claude's own, a UUID. */
export interface Transcript {
  sessionId: string
  rows: readonly string[]
}

/** Reads a transcript while claude writes it. */
export interface TranscriptTail {
  /** The whole rows that were written since the last call; none where there is no file yet. One call at a time. */
  read(): Promise<string[]>
}

/** `find` answers the path of the file once it is there; `from`: bytes of it that are known already. */
export function createTranscriptTail(find: () => Promise<string | undefined>, from = 0): TranscriptTail {
  let path: string | undefined
  let offset = from
  return {
    async read() {
      path ??= await find()
      if (path === undefined) return []
      const file = await open(path)
      try {
        const fresh = await readFrom(file, offset)
        // What follows the last line end is a row that claude still writes.
        const whole = fresh.subarray(0, fresh.lastIndexOf(LINE_END) + 1)
        offset += whole.length
        return whole
          .toString('utf8')
          .split('\n')
          .filter((row) => row !== '')
      } finally {
        await file.close()
      }
    },
  }
}

const LINE_END = 0x0a

async function readFrom(file: FileHandle, offset: number): Promise<Buffer> {
  const { size } = await file.stat()
  const buffer = Buffer.alloc(Math.max(0, size - offset))
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}
