import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { z } from 'zod'
import { pidSpace } from './pid-space.js'

/** `space`: the PID namespace in which `pid` is its number. */
const who = { pid: z.number(), space: z.string() }

const entrySchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('start'), ...who, at: z.number() }),
  // `remembers`: first word of each earlier prompt of its conversation.
  z.object({
    event: z.literal('prompt'),
    ...who,
    at: z.number(),
    prompt: z.string(),
    remembers: z.array(z.string()).default([]),
  }),
  // The end of its turn: it has nothing more to do for that prompt.
  z.object({ event: z.literal('answer'), ...who, at: z.number() }),
  z.object({ event: z.literal('exit'), ...who, at: z.number(), code: z.number() }),
])

/** What a fake claude did, ms since the epoch. A process that was killed has no `exit`. */
export type SpendLogEntry = z.infer<typeof entrySchema>

type Entry = SpendLogEntry extends infer E ? (E extends SpendLogEntry ? Omit<E, 'space'> : never) : never

export type SpendLog = (entry: Entry) => void

/** Appends to `file`. Each entry is on the disk before the call returns, so that no kill takes it back. */
export function createSpendLog(file: string | undefined): SpendLog {
  if (file === undefined) return () => undefined
  const space = pidSpace()
  return (entry) => {
    const descriptor = openSync(file, 'a')
    try {
      writeSync(descriptor, `${JSON.stringify({ ...entry, space })}\n`)
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
