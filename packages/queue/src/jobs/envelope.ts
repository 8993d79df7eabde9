import { findJsonFault, JOB_ID_PATTERN, jobSpecSchema, TENANT_PATTERN, type JobSpec } from '@claude-fleet/core'
import { z } from 'zod'
import type { Signer } from './signature.js'

/** Rises when the shape changes. A worker that does not know a version leaves the job to one that does. */
export const ENVELOPE_VERSION = 2

/** What BullMQ holds as the data of a job. */
const envelopeSchema = z.strictObject({
  v: z.literal(ENVELOPE_VERSION),
  id: z.string().regex(JOB_ID_PATTERN),
  tenant: z.string().regex(TENANT_PATTERN),
  spec: jobSpecSchema,
  /** Over all of the above; missing where the fleet has no key. */
  mac: z.string().optional(),
})
export type Envelope = z.output<typeof envelopeSchema>

/** The little of it that the signature needs, before anything else is looked at. */
const signedSchema = z.object({ id: z.string(), tenant: z.string(), spec: z.unknown(), mac: z.unknown().optional() })

/** `forged`: what is wrong is the signature. */
export type Opened = { envelope: Envelope } | { fault: string; forged: boolean }

/** Puts a job into its envelope, signed where there is a key. */
export function sealEnvelope(signer: Signer, id: string, tenant: string, spec: JobSpec): Envelope {
  const mac = signer.sign({ kind: 'job', id, tenant, spec })
  return { v: ENVELOPE_VERSION, id, tenant, spec, ...(mac === undefined ? {} : { mac }) }
}

/**
 * Reads what Redis holds for the job `id` and may be run. Redis can be written by others: what nobody of this fleet has
 * signed for this id and tenant is refused before its content is looked at. The fault says what is wrong.
 */
export function openEnvelope(signer: Signer, id: string, data: unknown): Opened {
  const fault = findJsonFault(data)
  if (fault !== undefined) return { fault: `${fault.path || 'the job data'} ${fault.message}`, forged: false }
  const current = migrateEnvelope(data)
  const signed = signedSchema.safeParse(current)
  if (!signed.success) return { fault: 'the job data is not a job of this fleet', forged: false }
  const { tenant, spec, mac } = signed.data
  if (signed.data.id !== id) return { fault: 'the job data belongs to another id', forged: true }
  if (!signer.verify({ kind: 'job', id, tenant, spec }, mac)) {
    const what = mac === undefined ? 'is not signed' : 'is signed by nobody of this fleet, or was changed'
    return { fault: `the job ${what}: FLEET_JOB_KEY must be the same for all parts of the fleet`, forged: true }
  }
  return readEnvelope(id, current)
}

/** As `openEnvelope`, whoever wrote it: to be shown, and never to be run. */
export function readEnvelope(id: string, data: unknown): Opened {
  const parsed = envelopeSchema.safeParse(migrateEnvelope(data))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const fault = `${issue?.path.join('.') || 'the job data'}: ${issue?.message ?? 'is not a job of this fleet'}`
    return { fault, forged: false }
  }
  if (parsed.data.id !== id) return { fault: 'the job data belongs to another id', forged: true }
  return { envelope: parsed.data }
}

/** Was it written by a fleet newer than this one? */
export function isNewerEnvelope(data: unknown): boolean {
  if (typeof data !== 'object' || data === null || !('v' in data)) return false
  return typeof data.v === 'number' && data.v > ENVELOPE_VERSION
}

/**
 * What an older fleet wrote, in today's shape; anything else as it is. From version 1, which was not signed: so a fleet
 * with a key refuses it, and has its queue run empty before the key is set.
 */
export function migrateEnvelope(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('v' in data) || data.v !== 1) return data
  return { ...data, v: 2, mac: undefined }
}
