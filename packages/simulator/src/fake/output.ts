import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { setImmediate as soon } from 'node:timers/promises'

/** A fake claude's stdout. Everything waits while the reader does not read; without a reader it is dropped. */
export interface Output {
  line(value: object): Promise<void>
  bytes(value: Uint8Array | string): Promise<void>
  /** From now on lines are written in pieces that end anywhere, within a character too. */
  split(pieces: boolean): void
  /** Resolves when all of it has been taken by the system. */
  flushed(): Promise<void>
}

const PIECE_BYTES = 7

export function createOutput(stdout: Writable): Output {
  let splits = false
  // One after the other: the pieces of two lines must not mix.
  let last: Promise<void> = Promise.resolve()
  const write = async (value: Uint8Array | string) => {
    if (!stdout.writable || stdout.write(value)) return
    const over = new AbortController()
    const drained = [once(stdout, 'drain', over), once(stdout, 'close', over)]
    try {
      await Promise.race(drained)
    } finally {
      over.abort()
      // The one that did not come rejects with the abort.
      await Promise.allSettled(drained)
    }
  }
  const flush = () => new Promise<void>((resolve) => (stdout.writable ? stdout.write('', () => resolve()) : resolve()))
  const writePieces = async (whole: Uint8Array) => {
    for (let at = 0; at < whole.length; at += PIECE_BYTES) {
      await write(whole.subarray(at, at + PIECE_BYTES))
      await flush()
      await soon()
    }
  }
  const inOrder = (work: () => Promise<void>) => (last = last.then(work))
  return {
    bytes: (value) => inOrder(() => write(value)),
    flushed: () => inOrder(flush),
    split: (pieces) => void (splits = pieces),
    line(value) {
      const whole = Buffer.from(`${JSON.stringify(value)}\n`)
      return inOrder(() => (splits ? writePieces(whole) : write(whole)))
    },
  }
}
