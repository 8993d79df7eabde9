import { z } from 'zod'
import { parseJson } from '../jobs/seal.js'

/** What travels on the control channel. */
const controlMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('cancel'), id: z.string(), reason: z.string() }),
  z.object({ type: z.literal('drain'), worker: z.string() }),
  z.object({ type: z.literal('credential'), name: z.string() }),
])
export type ControlMessage = z.infer<typeof controlMessageSchema>

/** Reads a message of the control channel. Undefined when it is none. */
export function parseControl(text: string): ControlMessage | undefined {
  const parsed = controlMessageSchema.safeParse(parseJson(text))
  return parsed.success ? parsed.data : undefined
}
