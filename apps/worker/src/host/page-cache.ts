import { createReadStream } from 'node:fs'

/**
 * Reads `file` once, so that the first process that is started from it does not wait for the disk. Resolves to the bytes
 * read; rejects with the system's error, or the signal's reason when aborted.
 */
export async function readIntoPageCache(file: string, signal: AbortSignal): Promise<number> {
  let bytes = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 1_024 * 1_024, signal })) {
    bytes += (chunk as Buffer).length
  }
  return bytes
}
