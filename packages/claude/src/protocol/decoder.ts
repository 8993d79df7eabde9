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
    const line = parts.length === 1 && parts[0] !== undefined ? Buffer.from(parts[0]) : Buffer.concat(parts, length)
    parts = []
    length = 0
    return line.toString('utf8', 0, line.at(-1) === CR ? line.length - 1 : line.length)
  }

  return {
    push(chunk) {
      const lines: string[] = []
      let start = 0
      for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, start)) {
        keep(chunk.subarray(start, at))
        lines.push(take())
        start = at + 1
      }
      keep(chunk.subarray(start))
      return lines
    },
    end: () => (length === 0 ? undefined : take()),
  }
}
