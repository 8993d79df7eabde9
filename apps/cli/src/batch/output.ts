import { open, truncate } from 'node:fs/promises'
import { FleetError, type JobView, usageSchema } from '@claude-fleet/core'
import { z } from 'zod'
import { createLineWriter, readLines } from './lines.js'

/** How a line of the input ended. `refused`: the fleet did not take it. `unknown`: its job is no longer kept. */
export const OUTCOMES = ['completed', 'failed', 'cancelled', 'refused', 'unknown'] as const

/** One line of the output. */
export interface OutputLine extends Partial<Pick<JobView, 'result' | 'usage'>> {
  /** The line of the input, from 1. */
  line: number
  customId?: string | undefined
  id?: string | undefined
  /** Its batch in the fleet. */
  batch?: string | undefined
  state: (typeof OUTCOMES)[number]
  error?: { code: string; message: string } | undefined
  costUsd: number
}

/** What the summary needs of a line; the rest is the reader's. */
const keptSchema = z.object({
  line: z.number().int().min(1),
  state: z.enum(OUTCOMES),
  error: z.object({ code: z.string() }).optional(),
  costUsd: z.number(),
  usage: usageSchema.optional(),
})
export type KeptLine = z.infer<typeof keptSchema>

export interface Output {
  write(line: OutputLine): Promise<void>
  close(): Promise<void>
}

/** Longer than any result the fleet keeps. */
const MAX_LINE_BYTES = 512 * 1024 * 1024

/**
 * Opens the output to append to it, and calls `kept` for each line that an earlier run wrote. A last line that is torn
 * is taken away. Throws FleetError `INVALID_REQUEST` when a line is none of ours.
 */
export async function openOutput(path: string, kept: (line: KeptLine) => void): Promise<Output> {
  const file = await open(path, 'a', 0o600)
  try {
    let end = 0
    for await (const { bytes, number, whole, end: after } of readLines(path, { maxBytes: MAX_LINE_BYTES })) {
      if (!whole) break
      end = after
      kept(parse(bytes, path, number))
    }
    await truncate(path, end)
  } catch (error) {
    await file.close()
    throw error
  }
  return createLineWriter(file)
}

function parse(bytes: Buffer, path: string, line: number): KeptLine {
  try {
    return keptSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', `${path}, line ${line} is not what batch wrote`, { cause })
  }
}
