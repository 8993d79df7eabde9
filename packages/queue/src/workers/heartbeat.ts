import { z } from 'zod'

/** A worker's key outlives its last beat by this, ms. */
export const HEARTBEAT_TTL_MS = 10_000
export const HEARTBEAT_MS = 2_000

/** What a worker says of itself, as Redis holds it. */
export const heartbeatSchema = z.object({
  /** Differs between two processes with one id. */
  instance: z.string(),
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  claudeVersion: z.string(),
  limit: z.number(),
  running: z.number(),
  spares: z.number(),
  credentials: z.array(z.string()),
  labels: z.array(z.string()).default([]),
  /** How long it keeps a process for a session, ms. */
  keepsMs: z.number().default(0),
  pausedReason: z.string().optional(),
})
export type Heartbeat = z.infer<typeof heartbeatSchema>
