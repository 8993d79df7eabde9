import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { z } from 'zod'

const entrySchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('start'), pid: z.number(), at: z.number() }),
  z.object({ event: z.literal('prompt'), pid: z.number(), at: z.number(), prompt: z.string() }),
  z.object({ event: z.literal('exit'), pid: z.number(), at: z.number(), code: z.number() }),
])

/** What a fake claude did, ms since the epoch. A process that was killed has no `exit`. */
export type SpendLogEntry = z.infer<typeof entrySchema>

export type SpendLog = (entry: SpendLogEntry) => void

/** Appends to `file`. Each entry is on the disk before the call returns, so that no kill takes it back. */
export function createSpendLog(file: string | undefined): SpendLog {
  if (file === undefined) return () => undefined
  return (entry) => {
    const descriptor = openSync(file, 'a')
    try {
      writeSync(descriptor, `${JSON.stringify(entry)}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }
}

/** Reads the text of a spend log. Throws a ZodError or SyntaxError where it is none. */
export function parseSpendLog(text: string): SpendLogEntry[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => entrySchema.parse(JSON.parse(line)))
}
