import { CREDENTIAL_STATES, JOB_ERROR_CODES, JOB_STATES, type Usage } from '@claude-fleet/core'
import type { CodeCounts, FleetMetrics, LatencyHistogram } from '@claude-fleet/queue'

/** One metric as prom-client's registries exchange it: `getMetricsAsJSON`. */
export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  aggregator: 'sum'
  values: Sample[]
}

interface Sample {
  value: number
  labels: Record<string, string | number>
  metricName?: string
}

/**
 * The fleet's figures as metrics in base units. Labels are states, error codes, kinds and the ids of live workers:
 * none names a tenant or a job, and each has few values.
 */
export function familiesOf(fleet: FleetMetrics): Family[] {
  return [...gaugesOf(fleet), ...countersOf(fleet), ...histogramsOf(fleet)]
}

function gaugesOf({ jobs, oldestWaitingMs, workers, webhooks, credentials, unfitJobs }: FleetMetrics): Family[] {
  const states = CREDENTIAL_STATES.map((state) => ({
    value: credentials.filter((credential) => credential.state === state).length,
    labels: { state },
  }))
  const each = (value: (worker: FleetMetrics['workers'][number]) => number) =>
    workers.map((worker) => ({ value: value(worker), labels: { worker: worker.id } }))
  const running = workers.reduce((sum, worker) => sum + worker.running, 0)
  return [
    gauge(
      'claude_fleet_jobs',
      'Jobs by state, as long as they are kept',
      JOB_STATES.map((state) => ({ value: jobs[state], labels: { state } })),
    ),
    gauge('claude_fleet_oldest_waiting_seconds', 'Age of the oldest job that could run now; 0 when there is none', [
      one(oldestWaitingMs / 1_000),
    ]),
    gauge('claude_fleet_webhook_deliveries_pending', 'Deliveries of webhooks that are still to be made', [
      one(webhooks.pending),
    ]),
    gauge('claude_fleet_workers', 'Live workers', [one(workers.length)]),
    gauge('claude_fleet_attempts_running', 'Attempts in progress', [one(running)]),
    gauge(
      'claude_fleet_worker_running',
      'Attempts in progress of a live worker',
      each((worker) => worker.running),
    ),
    gauge(
      'claude_fleet_worker_limit',
      'Attempts a live worker runs at once, at most',
      each((worker) => worker.limit),
    ),
    gauge(
      'claude_fleet_worker_spares',
      'Started, unused claude processes of a live worker',
      each((worker) => worker.spares),
    ),
    gauge(
      'claude_fleet_worker_paused',
      '1 when a live worker claims nothing now, such as while it drains',
      each((worker) => (worker.pausedReason === undefined ? 0 : 1)),
    ),
    gauge(
      'claude_fleet_credentials',
      'Credentials of the fleet by state: broken ones wait for an operator, parked ones for the reset of a usage limit',
      states,
    ),
    gauge('claude_fleet_credential_jobs', 'Jobs that are held until their credential can be used', [
      one(credentials.reduce((sum, credential) => sum + credential.jobs, 0)),
    ]),
    gauge('claude_fleet_unfit_jobs', 'Jobs that are held until a worker with their credential and labels has a slot', [
      one(unfitJobs),
    ]),
  ]
}

function countersOf(fleet: FleetMetrics): Family[] {
  const { ended, pool, tokens } = fleet
  const { delivered, failed, withdrawn, dropped, disabled, requests } = fleet.webhooks
  const ends: Sample[] = [
    { value: ended.completed, labels: { state: 'completed', code: '' } },
    { value: ended.cancelled, labels: { state: 'cancelled', code: '' } },
    ...byCode(ended.failed).map(({ value, labels }) => ({ value, labels: { state: 'failed', ...labels } })),
  ]
  const starts = { cold: pool.cold, spare: pool.spare, reused: pool.reused }
  return [
    counter('claude_fleet_jobs_ended_total', 'Jobs that ended, by state, and by error code where they failed', ends),
    counter('claude_fleet_attempts_total', 'Attempts begun', [one(fleet.attempts)]),
    counter(
      'claude_fleet_retries_total',
      'Attempts that failed and were followed by another, by error code',
      byCode(fleet.retries),
    ),
    counter('claude_fleet_parked_total', 'Jobs parked until a known moment, by error code', byCode(fleet.parked)),
    counter(
      'claude_fleet_starts_total',
      'Sessions given to attempts, by how their process came to be',
      byLabel('kind', starts),
    ),
    counter('claude_fleet_processes_created_total', 'claude processes started', [one(pool.created)]),
    counter(
      'claude_fleet_processes_destroyed_total',
      'claude processes ended, by reason',
      byLabel('reason', fleet.processEnds),
    ),
    counter('claude_fleet_tokens_total', 'Tokens of ended attempts, by kind', byLabel('kind', kindsOf(tokens))),
    counter('claude_fleet_cost_usd_total', 'Cost of ended attempts in USD', [one(fleet.costUsd)]),
    counter('claude_fleet_egress_refused_total', 'Connections that tools asked workers for and did not get', [
      one(fleet.egressRefused),
    ]),
    counter(
      'claude_fleet_fenced_writes_total',
      "Writes refused because the attempt was no longer the job's, by what was to be written",
      byLabel('write', { ...fleet.fenced }),
    ),
    counter('claude_fleet_workers_lost_total', 'Attempts whose worker was lost before they ended', [
      one(fleet.workersLost),
    ]),
    counter('claude_fleet_jobs_rescued_total', 'Jobs whose lock had lapsed and that went back to the queue', [
      one(fleet.rescued),
    ]),
    counter('claude_fleet_locks_reclaimed_total', 'Lapsed locks that their owners took back', [one(fleet.reclaimed)]),
    counter('claude_fleet_redis_rollbacks_total', 'How often Redis came back without writes that it had acknowledged', [
      one(fleet.rollbacks),
    ]),
    counter('claude_fleet_redis_rolled_back_jobs_total', 'Jobs that are known to have gone with them', [
      one(fleet.rolledBackJobs),
    ]),
    counter('claude_fleet_jobs_quarantined_total', 'Jobs of the queue that could not be run and were put away', [
      one(fleet.quarantined),
    ]),
    counter('claude_fleet_jobs_forged_total', 'Of those, jobs that nobody of this fleet had signed', [
      one(fleet.forged),
    ]),
    counter(
      'claude_fleet_webhook_deliveries_total',
      'Deliveries of webhooks that ended: delivered, given up, withdrawn with their endpoint, or not recorded because too many waited',
      byLabel('status', { delivered, failed, withdrawn, dropped }),
    ),
    counter(
      'claude_fleet_webhook_requests_total',
      'Requests to receivers of webhooks, by what came of them',
      byLabel('result', { ...requests }),
    ),
    counter(
      'claude_fleet_webhooks_disabled_total',
      'Endpoints of webhooks that were disabled because they were gone or failed',
      [one(disabled)],
    ),
    counter(
      'claude_fleet_schedule_times_total',
      'Times of schedules, by what became of them',
      byLabel('outcome', { ...fleet.scheduleTimes }),
    ),
  ]
}

function histogramsOf({ latencies }: FleetMetrics): Family[] {
  return [
    histogram(
      'claude_fleet_queue_wait_seconds',
      'From when a job might first run to its first attempt',
      latencies.queue,
    ),
    histogram(
      'claude_fleet_first_text_seconds',
      'From when a completed job might first run to the first text of the attempt that completed it',
      latencies.firstText,
    ),
    histogram('claude_fleet_job_duration_seconds', 'From when a job might first run to its end', latencies.total),
    histogram('claude_fleet_acquire_seconds', 'From asking the pool until an attempt has a session', latencies.acquire),
    histogram('claude_fleet_spawn_seconds', 'From the start of a claude process until it is ready', latencies.spawn),
  ]
}

const one = (value: number): Sample => ({ value, labels: {} })

function gauge(name: string, help: string, values: Sample[]): Family {
  return { name, help, type: 'gauge', aggregator: 'sum', values }
}

function counter(name: string, help: string, values: Sample[]): Family {
  return { name, help, type: 'counter', aggregator: 'sum', values }
}

function histogram(name: string, help: string, { buckets, sumMs }: LatencyHistogram): Family {
  let count = 0
  const values: Sample[] = buckets.map(({ upTo, count: more }) => {
    count += more
    const le = upTo === Infinity ? '+Inf' : upTo / 1_000
    return { value: count, labels: { le }, metricName: `${name}_bucket` }
  })
  values.push({ value: sumMs / 1_000, labels: {}, metricName: `${name}_sum` })
  values.push({ value: count, labels: {}, metricName: `${name}_count` })
  return { name, help, type: 'histogram', aggregator: 'sum', values }
}

function byLabel(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([word, value]) => ({ value, labels: { [label]: word } }))
}

/** Every code, also those never met: `increase()` does not see the step from nothing to one. */
function byCode(counts: CodeCounts): Sample[] {
  return JOB_ERROR_CODES.map((code) => ({ value: counts[code] ?? 0, labels: { code } }))
}

function kindsOf(tokens: Usage): Record<string, number> {
  return {
    input: tokens.inputTokens,
    output: tokens.outputTokens,
    cache_read: tokens.cacheReadTokens,
    cache_creation: tokens.cacheCreationTokens,
  }
}
