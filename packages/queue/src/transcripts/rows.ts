import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { FleetError } from '@claude-fleet/core'

const compress = promisify(gzip)
const decompress = promisify(gunzip)
/** Of one chunk, when it is read: what was written is far below, so more is not ours. */
const CHUNK_MAX_BYTES = 512 * 1_048_576

/** Rows as Redis holds them. A row is a line of JSON and has no line end in it. */
export function packRows(rows: readonly string[]): Promise<Buffer> {
  return compress(rows.join('\n'))
}

/** Throws FleetError `INTERNAL` when it is no chunk of rows. */
export async function unpackRows(chunk: Buffer): Promise<string[]> {
  try {
    const text = (await decompress(chunk, { maxOutputLength: CHUNK_MAX_BYTES })).toString('utf8')
    return text.split('\n').filter((row) => row !== '')
  } catch (cause) {
    throw new FleetError('INTERNAL', 'a transcript in Redis is broken', { cause })
  }
}
