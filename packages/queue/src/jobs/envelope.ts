import { JOB_ID_PATTERN, jobSpecSchema, TENANT_PATTERN, type JobSpec } from '@claude-fleet/core'
import { z } from 'zod'

/**
 * What BullMQ holds as the data of a job. `v` rises when its shape changes; a worker that does not know a version
 * refuses the job rather than guess.
 */
const envelopeSchema = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(JOB_ID_PATTERN),
  tenant: z.string().regex(TENANT_PATTERN),
  spec: jobSpecSchema,
})
export type Envelope = z.output<typeof envelopeSchema>

/** Puts a job into its envelope. */
export function sealEnvelope(id: string, tenant: string, spec: JobSpec): Envelope {
  return { v: 1, id, tenant, spec }
}

/** Reads what Redis holds for the job `id`. Redis can be written by others: the fault says what is wrong with it. */
export function openEnvelope(id: string, data: unknown): { envelope: Envelope } | { fault: string } {
  const parsed = envelopeSchema.safeParse(data)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { fault: `${issue?.path.join('.') || 'the job data'}: ${issue?.message ?? 'is not a job of this fleet'}` }
  }
  if (parsed.data.id !== id) return { fault: 'the job data belongs to another id' }
  return { envelope: parsed.data }
}
