import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Keys } from '../keys.js'
import { runScript } from '../redis/scripts.js'
import type { ClaimTranscript } from '../types.js'
import { packRows, unpackRows } from './rows.js'

const metaSchema = z.object({
  claudeId: z.uuid(),
  rev: z.string().optional(),
  turn: z.string().optional(),
  full: z.string().optional(),
})

/** The transcript that an attempt may write: of the session its job names, else of the job itself. */
export function createClaimTranscript(
  { client, keys }: { client: Redis; keys: Keys },
  claim: { id: string; fence: string; session: string | undefined; maxBytes: number },
): ClaimTranscript {
  const key = keys.transcript(claim.session ?? claim.id)

  return {
    async state() {
      const meta = metaSchema.safeParse(await client.hgetall(key))
      // Without an id nothing was ever kept of it.
      if (!meta.success) return undefined
      const { claudeId, rev, turn, full } = meta.data
      return { sessionId: claudeId, revision: rev, interrupted: turn === claim.id && full === undefined }
    },
    async load() {
      const [chunks, packed] = await Promise.all([
        client.hget(key, 'chunks'),
        client.lrangeBuffer(`${key}:rows`, 0, -1),
      ])
      const known = Number(chunks ?? 0)
      const unpacked = await Promise.all(packed.map(unpackRows))
      return { before: unpacked.slice(0, known).flat(), turn: unpacked.slice(known).flat() }
    },
    async append(sessionId, rows, { anew }) {
      const chunk = rows.length === 0 ? '' : await packRows(rows)
      const args = [keys.prefix, claim.id, claim.fence, sessionId, anew ? '1' : '0', claim.maxBytes, chunk]
      const [word] = await runScript(client, 'fleetMirror', keys.job(claim.id), args)
      return word === 'ok' || word === 'full' ? word : 'fenced'
    },
  }
}
