import {
  JOB_ERROR_CODES,
  PROCESS_END_REASONS,
  type CredentialView,
  type JobErrorCode,
  type JobState,
  type PoolCounters,
  type ProcessEndReason,
  type ScheduleRun,
  type Usage,
  type WorkerView,
} from '@claude-fleet/core'
import type { WorkerLatency } from '../types.js'
import { LATENCY_BOUNDS_MS } from './histogram.js'

type Fields = Readonly<Record<string, string>>

/**
 * Reads the sums that the scripts keep. Fields of `{prefix}:metrics` (`sums`):
 *
 * - `ended:STATE:CODE`, `retry:CODE`, `parked:CODE`, `attempts`, `fenced:append`, `fenced:settle`
 * - `tokens:KIND`, `costUsd`, `pool:COUNTER`, `ends:REASON`
 * - `NAME:UPTO` and `NAME:sum` of each distribution: how many lay in the bucket that ends at UPTO ms (`inf`: above
 *   all), and the sum, ms.
 *
 * - `ticks:OUTCOME`, `egressRefused`
 * - `hooks:recorded`, `hooks:delivered`, `hooks:failed`, `hooks:withdrawn`, `hooks:dropped`, `hooks:disabled`,
 *   `hooks:requests:ok`, `hooks:requests:failed`
 *
 * `counters` is the hash of the same name. Codes that this version does not know count as `INTERNAL`, so that the set
 * of labels is bounded.
 */
export function foldMetrics(
  sums: Fields,
  counters: Fields,
): Omit<FleetMetrics, 'jobs' | 'oldestWaitingMs' | 'workers' | 'credentials' | 'unfitJobs'> {
  const sum = (field: string) => Number(sums[field] ?? 0)
  return {
    attempts: sum('attempts'),
    ended: {
      completed: sum('ended:completed:'),
      cancelled: sum('ended:cancelled:'),
      failed: byCode(sums, 'ended:failed:'),
    },
    retries: byCode(sums, 'retry:'),
    parked: byCode(sums, 'parked:'),
    pool: {
      created: sum('pool:created'),
      reused: sum('pool:reused'),
      spare: sum('pool:spare'),
      cold: sum('pool:cold'),
      destroyed: sum('pool:destroyed'),
    },
    processEnds: Object.fromEntries(PROCESS_END_REASONS.map((reason) => [reason, sum(`ends:${reason}`)])) as Record<
      ProcessEndReason,
      number
    >,
    tokens: {
      inputTokens: sum('tokens:inputTokens'),
      outputTokens: sum('tokens:outputTokens'),
      cacheReadTokens: sum('tokens:cacheReadTokens'),
      cacheCreationTokens: sum('tokens:cacheCreationTokens'),
    },
    costUsd: sum('costUsd'),
    egressRefused: sum('egressRefused'),
    fenced: { append: sum('fenced:append'), settle: sum('fenced:settle') },
    workersLost: Number(counters['lost'] ?? 0),
    rescued: Number(counters['rescued'] ?? 0),
    reclaimed: Number(counters['reclaimed'] ?? 0),
    rollbacks: Number(counters['rollbacks'] ?? 0),
    rolledBackJobs: Number(counters['rolledBackJobs'] ?? 0),
    quarantined: Number(counters['quarantined'] ?? 0),
    forged: Number(counters['forged'] ?? 0),
    webhooks: {
      pending: Math.max(
        0,
        sum('hooks:recorded') - sum('hooks:delivered') - sum('hooks:failed') - sum('hooks:withdrawn'),
      ),
      delivered: sum('hooks:delivered'),
      failed: sum('hooks:failed'),
      withdrawn: sum('hooks:withdrawn'),
      dropped: sum('hooks:dropped'),
      disabled: sum('hooks:disabled'),
      requests: { ok: sum('hooks:requests:ok'), failed: sum('hooks:requests:failed') },
    },
    scheduleTimes: {
      enqueued: sum('ticks:enqueued'),
      skipped: sum('ticks:skipped'),
      missed: sum('ticks:missed'),
      failed: sum('ticks:failed'),
    },
    latencies: {
      queue: distribution(sums, 'queue'),
      firstText: distribution(sums, 'firstText'),
      total: distribution(sums, 'total'),
      acquire: distribution(sums, 'acquire'),
      spawn: distribution(sums, 'spawn'),
    },
  }
}

/** A distribution since the beginning. */
export interface LatencyHistogram {
  /** Not cumulative: how many lay above the bound before and not above this one, ms. `Infinity` is the last. */
  buckets: { upTo: number; count: number }[]
  sumMs: number
}

/** How often, by error code. */
export type CodeCounts = Readonly<Partial<Record<JobErrorCode, number>>>

/** Deliveries of webhooks, an event to an endpoint each. */
export interface WebhookMetrics {
  /** Recorded and not ended. */
  pending: number
  delivered: number
  /** Given up. */
  failed: number
  /** Their endpoint was deleted. */
  withdrawn: number
  /** Not recorded: too many wait for their endpoint. */
  dropped: number
  /** Endpoints that the fleet disabled. */
  disabled: number
  requests: { ok: number; failed: number }
}

/** The whole fleet: sums since the beginning, which outlive every process, and what is so now. */
export interface FleetMetrics {
  jobs: Record<JobState, number>
  /** Age of the oldest job that could run now, ms; 0 when there is none. */
  oldestWaitingMs: number
  /** The live ones. */
  workers: WorkerView[]
  credentials: CredentialView[]
  /** Held until a worker that has their credential and labels has room. */
  unfitJobs: number
  /** Attempts begun. */
  attempts: number
  ended: { completed: number; cancelled: number; failed: CodeCounts }
  retries: CodeCounts
  parked: CodeCounts
  pool: PoolCounters
  /** Why processes were ended. */
  processEnds: Record<ProcessEndReason, number>
  tokens: Usage
  costUsd: number
  /** Connections that tools asked workers for and did not get. */
  egressRefused: number
  /** Writes that were refused because the attempt was no longer the job's. */
  fenced: { append: number; settle: number }
  /** Attempts that were never settled: their worker was lost. */
  workersLost: number
  /** Jobs whose lock had lapsed and that went back to the queue. */
  rescued: number
  /** Lapsed locks that their owners took back. */
  reclaimed: number
  /** How often Redis came back without writes that it had acknowledged. */
  rollbacks: number
  /** Jobs that are known to have gone with them. */
  rolledBackJobs: number
  /** Jobs of the queue that could not be run and were put away. */
  quarantined: number
  /** Of those, what nobody of this fleet had signed. */
  forged: number
  webhooks: WebhookMetrics
  /** What became of the times of schedules. */
  scheduleTimes: Record<ScheduleRun['outcome'], number>
  latencies: Record<'queue' | 'firstText' | 'total' | WorkerLatency, LatencyHistogram>
}

const CODES: ReadonlySet<string> = new Set(JOB_ERROR_CODES)

function byCode(sums: Fields, prefix: string): CodeCounts {
  const counts: Record<string, number> = {}
  for (const [field, count] of Object.entries(sums)) {
    if (!field.startsWith(prefix)) continue
    const code = field.slice(prefix.length)
    const known = CODES.has(code) ? code : 'INTERNAL'
    counts[known] = (counts[known] ?? 0) + Number(count)
  }
  return counts
}

/** What was counted under a bound that is no longer one goes to the next above it. */
function distribution(sums: Fields, name: string): LatencyHistogram {
  const buckets = [...LATENCY_BOUNDS_MS, Infinity].map((upTo) => ({ upTo, count: 0 }))
  let sumMs = 0
  for (const [field, count] of Object.entries(sums)) {
    if (!field.startsWith(`${name}:`)) continue
    const word = field.slice(name.length + 1)
    if (word === 'sum') {
      sumMs = Number(count)
      continue
    }
    const bound = word === 'inf' ? Infinity : Number(word)
    const bucket = buckets.find(({ upTo }) => upTo >= bound)
    if (bucket !== undefined) bucket.count += Number(count)
  }
  return { buckets, sumMs }
}
