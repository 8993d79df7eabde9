import type { FleetClient } from '@claude-fleet/client'
import { FleetError, isFleetError } from '@claude-fleet/core'
import { chunkOf, type Chunk } from './chunks.js'
import type { InputJob } from './input.js'
import type { Journal } from './journal.js'
import type { Patience } from './patience.js'

export interface SendParts {
  client: FleetClient
  journal: Journal
  patience: Patience
  onSent: (job: InputJob, id: string) => void
  onRefused: (job: InputJob, error: FleetError) => Promise<void>
}

/**
 * Brings the jobs of a chunk into the fleet, each once, however often it is called. The fleet takes a chunk whole or not:
 * lines that it refuses are told, and the others sent without them.
 */
export async function sendChunk(parts: SendParts, chunk: Chunk, signal: AbortSignal): Promise<void> {
  const { client, journal, patience } = parts
  const { key, jobs } = chunk
  const items = jobs.map(({ input, customId }) => (customId === undefined ? input : { ...input, customId }))
  const idempotencyKey = `batch-${journal.token}-${key}`
  await journal.sending(
    key,
    jobs.map(({ line }) => line),
  )
  let refusal: FleetError
  try {
    const reply = await patience.call(() => client.batch(items, { idempotencyKey, signal }))
    const ids = reply.items.map(({ id }) => id)
    await journal.answered(key, ids)
    jobs.forEach((job, at) => parts.onSent(job, ids[at] ?? ''))
    return
  } catch (error) {
    if (!isFleetError(error)) throw error
    refusal = error
  }
  const refused = refusedOf(refusal, jobs.length)
  if (refused === undefined) throw refusal
  // First that the chunk is not there: sent again after the operator has allowed it, it would run its lines twice.
  await journal.refused(key)
  for (const [at, message] of refused) {
    const job = jobs[at]
    if (job !== undefined) await parts.onRefused(job, new FleetError(refusal.code, message, { cause: refusal }))
  }
  for (const part of partsOf(jobs, refused)) await sendChunk(parts, chunkOf(part), signal)
}

/**
 * The places of the jobs that the fleet refused, with the reason. None when the chunk is too long as a whole; undefined
 * when it is the key, or the fleet, that refuses everything.
 */
function refusedOf({ code, details, message }: FleetError, jobs: number): Map<number, string> | undefined {
  if (code !== 'INVALID_REQUEST' && code !== 'FORBIDDEN' && code !== 'PAYLOAD_TOO_LARGE') return undefined
  const places = new Map<number, string>()
  const errors = Array.isArray(details['errors']) ? (details['errors'] as { path: string; message: string }[]) : []
  for (const { path, message: fault } of errors) {
    const [, at, field = ''] = /^jobs\.(\d+)\.?(.*)$/.exec(path) ?? []
    if (at !== undefined) places.set(Number(at), `${field} ${fault}`.trim())
  }
  if (places.size > 0) return places
  if (code !== 'PAYLOAD_TOO_LARGE') return undefined
  return jobs > 1 ? places : new Map([[0, message]])
}

/** What is to be sent instead: all but the refused, or when none was, the halves. */
function partsOf(jobs: readonly InputJob[], refused: ReadonlyMap<number, string>): (readonly InputJob[])[] {
  const half = Math.ceil(jobs.length / 2)
  const parts =
    refused.size === 0 ? [jobs.slice(0, half), jobs.slice(half)] : [jobs.filter((_, at) => !refused.has(at))]
  return parts.filter((part) => part.length > 0)
}
