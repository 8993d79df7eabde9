import { FleetError } from '@claude-fleet/core'

/** Splits a byte stream into lines at 0x0A. */
export interface LineDecoder {
  /** The lines that `chunk` completes, without their line end. Throws FleetError `OUTPUT_TOO_LARGE` past the cap. */
  push(chunk: Uint8Array): string[]
  /** The last line when the stream ended without a line end. */
  end(): string | undefined
}

const LF = 0x0a
const CR = 0x0d

/**
 * Claude's stdout is one JSON object a line, and one line can hold a whole 5 MB answer (measured), so there is no small
 * limit: `maxLineBytes`, 64 MiB by default. Chunks of an unfinished line are kept apart and joined once, so the work is
 * linear in the bytes however they are cut. Bytes that are not UTF-8 become U+FFFD; a CR before the LF is dropped.
 */
export function createLineDecoder(options: { maxLineBytes?: number } = {}): LineDecoder {
  const maxLineBytes = options.maxLineBytes ?? 64 * 1024 * 1024
  let parts: Uint8Array[] = []
  let length = 0

  function keep(part: Uint8Array): void {
    if (part.length === 0) return
    length += part.length
    if (length > maxLineBytes) {
      parts = []
      throw new FleetError('OUTPUT_TOO_LARGE', `a line of more than ${maxLineBytes} bytes came from claude`)
    }
    parts.push(part)
  }

  function take(): string {
    const line = Buffer.concat(parts, length)
    parts = []
    length = 0
    return text(line, 0, line.length)
  }

  return {
    push(chunk) {
      // A view, not a copy: the lines that lie whole in a chunk, which are nearly all, are decoded where they are.
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const lines: string[] = []
      let start = 0
      for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, start)) {
        if (parts.length === 0 && at - start <= maxLineBytes) lines.push(text(bytes, start, at))
        else {
          keep(bytes.subarray(start, at))
          lines.push(take())
        }
        start = at + 1
      }
      keep(bytes.subarray(start))
      return lines
    },
    end: () => (length === 0 ? undefined : take()),
  }
}

function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start, end > start && bytes[end - 1] === CR ? end - 1 : end)
}
