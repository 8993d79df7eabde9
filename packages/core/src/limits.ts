/** Limits of the contract. Sizes are bytes of UTF-8, times are ms, money is USD. */

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const DAY_MS = 24 * 60 * MINUTE_MS
const KIB = 1_024
const MIB = 1_024 * KIB

export const LIMITS = {
  promptBytes: MIB,
  /** One `systemPrompt` or `appendSystemPrompt`. They travel on stdin, so argv limits do not apply. */
  systemPromptBytes: 256 * KIB,
  outputSchemaBytes: 64 * KIB,
  metadataBytes: 64 * KIB,
  metadataEntries: 64,
  envEntries: 64,
  envValueBytes: 32 * KIB,
  /** All tool rules of one list together. They travel in one argv entry, and Linux refuses one over 128 KiB. */
  toolRulesBytes: 64 * KIB,
  toolRules: 256,
  jsonDepth: 64,
  jobBodyBytes: 8 * MIB,
  batchBodyBytes: 16 * MIB,
  batchJobs: 1_000,
  idempotencyKeyChars: 255,
  idempotencyMs: DAY_MS,
  maxTurns: 1_000,
  attempts: 10,
  priority: 9,
  timeoutMs: DAY_MS,
  timeoutMinMs: SECOND_MS,
  delayMs: 30 * DAY_MS,
  backoffMs: DAY_MS,
  maxBudgetUsd: 100_000,
  resultWaitSeconds: 60,
  listItems: 100,
  /** Endpoints of one tenant. */
  webhooks: 20,
  webhookUrlChars: 2_048,
  /** Deliveries of one endpoint that are listed. */
  webhookLog: 100,
  /** Deliveries that wait for one endpoint; what comes on top is counted and not recorded. */
  webhookPending: 50_000,
  webhookOverlapMs: 7 * DAY_MS,
  webhookOverlapDefaultMs: DAY_MS,
  /** Named sessions of one tenant that are not closed. */
  sessions: 10_000,
  /** Turns of one session that have not ended. */
  sessionTurns: 1_000,
  sessionTtlMinMs: MINUTE_MS,
  sessionTtlMs: 365 * DAY_MS,
  labels: 16,
  /** A transcript that is brought from elsewhere, with the options of its session. */
  importBodyBytes: 16 * MIB,
  /** Schedules of one tenant. */
  schedules: 1_000,
  /** What is kept of the past of one schedule: this many of its times. */
  scheduleRuns: 50,
  cronChars: 200,
  catchUpMs: DAY_MS,
  catchUpMinMs: MINUTE_MS,
} as const

/** Defaults of a job. Each is what a field means when it is left out. */
export const DEFAULTS = {
  permissionMode: 'dontAsk',
  timeoutMs: 30 * MINUTE_MS,
  idleTimeoutMs: 10 * MINUTE_MS,
  attempts: 3,
  backoff: { type: 'exponential', delayMs: SECOND_MS, maxDelayMs: MINUTE_MS, jitter: 0.5 },
  listItems: 20,
  sessionTtlMs: 7 * DAY_MS,
  timeZone: 'UTC',
  overlap: 'skip',
  catchUpMs: 60 * MINUTE_MS,
  pingMs: 15 * SECOND_MS,
} as const
