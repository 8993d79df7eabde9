/** The shapes of the site's own API, as `apps/board/src/routes` answers them. */

export interface Quantiles {
  p50: number
  p90: number
  p99: number
}

export interface Minute {
  at: number
  completed: number
  failed: number
  cancelled: number
  costUsd: number
  queueMs?: Quantiles
  firstTextMs?: Quantiles
  totalMs?: Quantiles
}

export interface Worker {
  id: string
  host: string
  pid: number
  claudeVersion: string
  limit: number
  running: number
  spares: number
  credentials: string[]
  pausedReason?: string
  lastSeen: number
}

export interface Credential {
  name: string
  state: 'open' | 'trying' | 'parked' | 'broken'
  code?: string
  message?: string
  resumesAt?: number
  jobs: number
}

export interface Session {
  id: string
  state: string
  turns: number
  queued: number
  costUsd: number
  worker?: string
  transcriptBytes: number
  updatedAt: number
  expiresAt: number
}

export interface Fleet {
  now: number
  workers: Worker[]
  credentials: Credential[]
  tenants: string[]
  sessionCounts: Record<string, number>
  sessions: { tenant: string; session: Session }[]
  stats: {
    jobs: Record<string, number>
    oldestWaitingMs: number
    throughput: { lastMinute: number; lastHour: number }
    latencyMs: { queue: Quantiles; firstText: Quantiles; total: Quantiles }
    pool: Record<string, number>
    costUsd: number
  }
  history: { minutes: Minute[]; costTodayUsd: number }
}

export interface JobView {
  id: string
  state: string
  attempt: number
  createdAt: number
  startedAt?: number
  finishedAt?: number
  worker?: string
  metadata: Record<string, string>
  costUsd: number
  usage: Record<string, number>
  result?: {
    text: string
    structuredOutput?: unknown
    start: string
    numTurns: number
    durationMs: number
    queueMs: number
  }
  error?: { code: string; message: string; retryable: boolean; attempt: number; details: Record<string, unknown> }
  resumesAt?: number
  retryOf?: string
  session?: string
  batch?: string
  customId?: string
}

export interface Entry {
  tenant: string
  job: JobView
  spec?: Record<string, unknown>
}

export interface Page {
  items: Entry[]
  nextCursor?: string
}

/** An event of a job's stream. Which fields it has depends on its type. */
export interface StreamEvent {
  type: string
  seq: number
  ts: number
  attempt: number
  [field: string]: unknown
}

export const END_STATES: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled'])

/** Asks the site. Throws an Error with the problem's own sentence. */
export async function ask<T>(path: string, options: { method?: 'POST'; signal?: AbortSignal } = {}): Promise<T> {
  const { method = 'GET', signal } = options
  const response = await fetch(path, {
    method,
    headers: { 'x-fleet-board': '1' },
    ...(signal === undefined ? {} : { signal }),
  })
  const body: unknown = await response.json().catch(() => ({}))
  if (response.ok) return body as T
  throw new Error((body as { detail?: string }).detail ?? `the site answered ${response.status}`)
}
