import {
  jobSpecSchema,
  type BatchReply,
  type DeliveryView,
  type JobInput,
  type JobPage,
  type JobResult,
  type JobView,
  type Problem,
  type ScheduleInput,
  type ScheduleRun,
  type ScheduleView,
  type SessionInput,
  type SessionView,
  type Stats,
  type WebhookInput,
  type WebhookView,
  type CredentialView,
  type WorkerView,
} from '@claude-fleet/core'

/** The examples of the document. The test holds each against the schema it illustrates. */

const ID = 'j_abcdefghijklmnopqrstuvwxyz'
const CREATED = 1_767_225_600_000
const USAGE = { inputTokens: 1_204, outputTokens: 318, cacheReadTokens: 10_240, cacheCreationTokens: 0 }
const NONE = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0 }

const jobRequest: JobInput = { prompt: 'Summarise README.md' }

const fullJobRequest: JobInput = {
  prompt: 'List the open questions in docs/',
  cwd: 'project',
  model: 'sonnet',
  allowedTools: ['Read', 'Grep', 'Bash(git log:*)'],
  maxTurns: 20,
  maxBudgetUsd: 0.5,
  timeoutMs: 600_000,
  outputSchema: { type: 'object', properties: { questions: { type: 'array', items: { type: 'string' } } } },
  backoff: { type: 'exponential', delayMs: 2_000 },
  metadata: { ticket: 'OPS-7' },
}

const waitingJob: JobView = {
  id: ID,
  state: 'waiting',
  attempt: 0,
  createdAt: CREATED,
  metadata: { ticket: 'OPS-7' },
  costUsd: 0,
  usage: NONE,
}

const result: JobResult = {
  text: 'The project is a job queue in front of the claude command line.',
  sessionId: '5f0c7a7e-2c6f-4d0e-9f53-0a7c3f1d2b11',
  numTurns: 2,
  durationMs: 5_210,
  queueMs: 34,
  attempt: 1,
  start: 'cold',
  usage: USAGE,
  costUsd: 0.0123,
  model: 'claude-sonnet-4-5',
  tools: { Read: 1 },
  permissionDenials: [],
  log: { lines: 0, errors: 0, warnings: 0 },
  worker: 'host-1',
}

const completedJob: JobView = {
  ...waitingJob,
  state: 'completed',
  attempt: 1,
  startedAt: CREATED + 34,
  finishedAt: CREATED + 5_244,
  worker: 'host-1',
  costUsd: result.costUsd,
  usage: USAGE,
  result,
}

const retriedJob: JobView = { ...waitingJob, id: 'j_zyxwvutsrqponmlkjihgfedcba', retryOf: ID }

const batchReply: BatchReply = {
  id: 'b_abcdefghijklmnopqrstuvwxyz',
  items: [
    { id: ID, customId: 'en' },
    { id: 'j_zyxwvutsrqponmlkjihgfedcba', customId: 'fr' },
  ],
}

const jobPage: JobPage = { items: [completedJob], nextCursor: `${CREATED}-${ID}` }

const SCHEDULE_ID = 'c_abcdefghijklmnopqrstuvwxyz'
const DAY_MS = 86_400_000
const scheduleRequest: ScheduleInput = {
  name: 'issues of the night',
  cron: '30 7 * * MON-FRI',
  timeZone: 'Europe/Berlin',
  overlap: 'skip',
  job: { prompt: 'Summarise the issues of the last day', maxBudgetUsd: 0.5 },
}

const { job: _, ...listedSchedule } = scheduleRequest
const schedule: ScheduleView = {
  ...listedSchedule,
  id: SCHEDULE_ID,
  timeZone: 'Europe/Berlin',
  overlap: 'skip',
  catchUpMs: 3_600_000,
  enabled: true,
  metadata: {},
  createdAt: CREATED,
  updatedAt: CREATED,
  nextRunAt: CREATED + DAY_MS + 23_400_000,
  lastRunAt: CREATED + 23_400_057,
  lastJobId: ID,
  job: jobSpecSchema.parse(scheduleRequest.job),
}

const scheduledJob: JobView = { ...waitingJob, metadata: {}, schedule: SCHEDULE_ID }
const run: ScheduleRun = {
  at: CREATED + 23_400_000,
  recordedAt: CREATED + 23_400_057,
  trigger: 'cron',
  outcome: 'enqueued',
  jobId: ID,
}

const SESSION_ID = 's_abcdefghijklmnopqrstuvwxyz'
const sessionRequest: SessionInput = {
  cwd: 'project',
  model: 'sonnet',
  permissionMode: 'plan',
  allowedTools: ['Read', 'Grep'],
  metadata: { ticket: 'OPS-7' },
}
const session: SessionView = {
  id: SESSION_ID,
  state: 'idle',
  turns: 2,
  queued: 0,
  costUsd: 0.0246,
  usage: USAGE,
  createdAt: CREATED,
  updatedAt: CREATED + 60_000,
  expiresAt: CREATED + 60_000 + 7 * DAY_MS,
  ttlMs: 7 * DAY_MS,
  worker: 'host-1',
  transcriptBytes: 4_312,
  labels: [],
  metadata: { ticket: 'OPS-7' },
}
const transcript = [
  { type: 'user', sessionId: result.sessionId, message: { role: 'user', content: 'Read the README' } },
  { type: 'assistant', sessionId: result.sessionId, message: { role: 'assistant', content: [] } },
]
  .map((row) => `${JSON.stringify(row)}\n`)
  .join('')

const worker: WorkerView = {
  id: 'host-1',
  host: 'host-1.example',
  pid: 4_242,
  claudeVersion: '2.1.330',
  limit: 4,
  running: 1,
  spares: 1,
  credentials: ['default'],
  labels: [],
  lastSeen: CREATED,
}

const refused = {
  state: 'broken',
  code: 'AUTH_FAILED',
  message: 'API Error: 401 invalid x-api-key',
  since: CREATED,
} as const
const credential: CredentialView = {
  name: 'default',
  ...refused,
  jobs: 12,
  values: [{ ...refused, lastSeen: CREATED + 60_000 }],
}

const quantiles = { p50: 100, p90: 500, p99: 2_000 }
const stats: Stats = {
  jobs: { waiting: 0, delayed: 0, parked: 0, active: 1, completed: 41, failed: 1, cancelled: 0 },
  oldestWaitingMs: 0,
  throughput: { lastMinute: 3, lastHour: 42 },
  latencyMs: { queue: quantiles, firstText: quantiles, total: quantiles },
  pool: { created: 43, reused: 0, spare: 0, cold: 43, destroyed: 42 },
  costUsd: 0.52,
  tokens: USAGE,
  tools: { Read: 12, Bash: 3 },
}

const problem: Problem = {
  type: 'urn:claude-fleet:error:invalid-request',
  title: 'Invalid request',
  status: 400,
  detail: 'prompt is required',
  code: 'INVALID_REQUEST',
  retryable: false,
  requestId: 'req_0c9d6f8e-7f0a-4a3e-8a55-1f5d2a3b4c5d',
  errors: [{ path: 'prompt', message: 'is required' }],
}

const eventStream = [
  { jobId: ID, attempt: 0, seq: 1, ts: CREATED, type: 'queued' },
  { jobId: ID, attempt: 1, seq: 2, ts: CREATED + 34, type: 'text', text: 'The project ' },
]
  .map((event) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  .join('')

const HOOK = 'wh_abcdefghijklmnopqrstuvwxyz'
const webhookRequest: WebhookInput = {
  url: 'https://example.com/fleet',
  events: ['job.failed'],
  description: 'tells the people on call',
}
const webhook: WebhookView = {
  id: HOOK,
  url: 'https://example.com/fleet',
  events: ['job.failed'],
  description: 'tells the people on call',
  enabled: true,
  createdAt: CREATED,
  updatedAt: CREATED,
  pending: 0,
  failures: 0,
  lastSuccessAt: CREATED + 6_000,
}
const delivery: DeliveryView = {
  id: `${ID}_failed_${HOOK}`,
  type: 'job.failed',
  job: ID,
  status: 'pending',
  attempts: 1,
  createdAt: CREATED + 5_244,
  lastAttemptAt: CREATED + 5_300,
  nextAttemptAt: CREATED + 10_600,
  statusCode: 503,
  error: 'answered 503',
}

export const EXAMPLES = {
  webhookRequest,
  webhook,
  webhookWithSecret: { ...webhook, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  delivery,
  testDelivery: {
    id: `test_0123456789abcdef_${HOOK}`,
    type: 'webhook.test',
    status: 'pending',
    attempts: 0,
    createdAt: CREATED,
  } satisfies DeliveryView,
  jobRequest,
  fullJobRequest,
  batchRequest: {
    jobs: [
      { prompt: 'Say hello in English', customId: 'en' },
      { prompt: 'Say hello in French', customId: 'fr' },
    ],
  },
  waitingJob,
  completedJob,
  retriedJob,
  batchReply,
  jobPage,
  sessionRequest,
  forkRequest: { fork: SESSION_ID } satisfies SessionInput,
  session: {
    ...session,
    options: {
      cwd: 'project',
      model: 'sonnet',
      permissionMode: 'plan',
      credential: 'default',
      allowedTools: ['Read', 'Grep'],
    },
  } satisfies SessionView,
  sessionPage: { items: [session] },
  transcript,
  sessionImport: { cwd: 'project', transcript },
  scheduleRequest,
  schedule,
  schedulePage: { items: [schedule] },
  schedulePatch: { enabled: false },
  scheduleHistory: { items: [run] },
  scheduledJob,
  pendingJob: { id: ID, state: 'active' },
  eventStream,
  workerList: { items: [worker] },
  credentialList: { items: [credential] },
  credential,
  drainReply: { id: 'host-1', draining: true },
  stats,
  problem,
}
