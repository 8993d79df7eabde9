import type { JobState } from '@claude-fleet/core'

/** The BullMQ queue all jobs are in. BullMQ's own keys begin with `{prefix}:prompts:`. */
export const QUEUE_NAME = 'prompts'
/** The BullMQ queue of webhook endpoints that have something to be sent. */
export const WEBHOOK_QUEUE_NAME = 'webhooks'
/** The BullMQ queue whose job schedulers make the times of schedules come. Its own keys begin with `{prefix}:ticks:`. */
export const TICKS_NAME = 'ticks'

/** Names of the fleet's keys. In a Cluster the prefix is a hash tag such as `{fleet}`, so that all share one slot. */
export interface Keys {
  readonly prefix: string
  /** Hash: the record of a job, the truth about its state. */
  job(id: string): string
  /** Stream: the events of a job, one entry a batch, entry id `<last seq>-0`. */
  log(id: string): string
  /** Channel: live events of a job. */
  events(id: string): string
  /** Channel: cancel and drain requests. */
  control: string
  /** Sorted set by creation: the jobs of a tenant, of one state, of a batch or of a session. */
  jobs(tenant: string): string
  state(tenant: string, state: JobState): string
  batch(tenant: string, batch: string): string
  sessionJobs(tenant: string, session: string): string
  /** Hash: a named session, the truth about it. */
  session(id: string): string
  /** Sorted set in the order of enqueue: the jobs of a session that have not ended. The first alone may run. */
  sessionTurns(id: string): string
  /** Sorted set by creation: the named sessions of a tenant. */
  sessions(tenant: string): string
  /** Sorted set by the time after which a session is removed. */
  sessionsExpiry: string
  /** Hash: how many sessions are in which state, of all tenants. */
  sessionCounts: string
  /** Sorted set by end: every ended job, as `id|tenant|batch|session`. */
  ended: string
  /** Sorted set by due time: jobs that wait for a moment. */
  due: string
  /** Sorted set by when it was: jobs that are held back (`hold` of their record says by what). */
  held: string
  /** Set: jobs that are to go on and were on their way into BullMQ's delayed set. */
  promote: string
  /** Hash: the limits of tenants, JSON. */
  limits: string
  /** Hash: places in the queue of a tenant that are kept for batches. */
  places(tenant: string): string
  /** Sorted set by priority and order: jobs of a tenant that are held for the sake of others. */
  share(tenant: string): string
  /** Sorted set by pass: tenants with jobs that are held for the sake of others. */
  backlog: string
  /** Set: names of the credentials that workers have had. */
  credentials: string
  /** Hash: the values of a credential, by fingerprint: what closes each, when a worker last had it. */
  credential(name: string): string
  /** Sorted set by creation: jobs that are held until it is open. */
  credentialHeld(name: string): string
  /** Set: what jobs need of a worker that none with room has. */
  fits: string
  /** Sorted set by creation: jobs that are held until a worker that has it has room. */
  fitHeld(need: string): string
  /** Sorted set by creation: records whose BullMQ job may not exist yet. */
  unplaced: string
  tenants: string
  /** String: what an idempotency key made, by the key's hash, as `id hash-of-the-body`. */
  idempotency(tenant: string, hash: string): string
  stats(tenant: string, minute: number): string
  totals(tenant: string): string
  /** USD that a tenant has spent in one day (UTC, since the epoch). */
  spent(tenant: string, day: number): string
  worker(id: string): string
  workers: string
  /** Names the instance of a worker that was asked to drain. */
  drain(id: string): string
  /** Hash: attempt number to what it came to and cost, JSON. */
  attempts(id: string): string
  /** Hash: when the fleet was last served, who may rescue jobs, until when nobody may. */
  reaper: string
  /** Hash: what happened how often since the beginning, such as `rescued`. */
  counters: string
  /** Hash: the sums of the whole fleet since the beginning, for `/metrics`. */
  metrics: string
  /** Hash: what of a worker process's own counts is in `metrics` already. */
  tally(instance: string): string
  /** Sorted set by creation: the webhook endpoints of a tenant. */
  hooks(tenant: string): string
  /** Hash: one endpoint, its secrets encrypted. */
  hook(id: string): string
  /** Sorted set by due time: deliveries that wait for an endpoint. */
  hookDue(id: string): string
  /** Sorted set by creation: the last deliveries of an endpoint. */
  hookLog(id: string): string
  /** Hash: one event on its way to one endpoint. */
  delivery(id: string): string
  /** Sorted set by due time: endpoints with deliveries that wait. */
  hooksDue: string
  /** Channel: an endpoint has got something to be sent. A hint. */
  hooksWake: string
  /** Hash: a schedule, the truth about it. */
  schedule(id: string): string
  /** List, newest first: what became of the times of a schedule, JSON. */
  scheduleRuns(id: string): string
  /** Sorted set by creation: the schedules of a tenant; of all. */
  schedules(tenant: string): string
  allSchedules: string
  /** Who compares schedules with BullMQ's schedulers now. */
  scheduleKeeper: string
  /** BullMQ's sorted set of schedulers by next time, and its hash of one. */
  ticks: string
  tick(id: string): string
  /** Hash: how far a mirrored transcript has come, by session or job. Its `:rows` is the list of what it holds, packed. */
  transcript(owner: string): string
  /** BullMQ's hash of a job. */
  bullJob(id: string): string
  bull(name: string): string
}

/** Every key of a fleet with this prefix. */
export function createKeys(prefix: string): Keys {
  return {
    prefix,
    job: (id) => `${prefix}:job:${id}`,
    log: (id) => `${prefix}:log:${id}`,
    events: (id) => `${prefix}:events:${id}`,
    control: `${prefix}:control`,
    jobs: (tenant) => `${prefix}:jobs:${tenant}`,
    state: (tenant, state) => `${prefix}:jobs:${tenant}:${state}`,
    batch: (tenant, batch) => `${prefix}:jobs:${tenant}:batch:${batch}`,
    sessionJobs: (tenant, session) => `${prefix}:jobs:${tenant}:session:${session}`,
    session: (id) => `${prefix}:session:${id}`,
    sessionTurns: (id) => `${prefix}:session:${id}:turns`,
    sessions: (tenant) => `${prefix}:sessions:${tenant}`,
    sessionsExpiry: `${prefix}:sessions-expiry`,
    sessionCounts: `${prefix}:session-counts`,
    ended: `${prefix}:ended`,
    due: `${prefix}:due`,
    held: `${prefix}:held`,
    promote: `${prefix}:promote`,
    limits: `${prefix}:limits`,
    places: (tenant) => `${prefix}:places:${tenant}`,
    share: (tenant) => `${prefix}:share:${tenant}`,
    backlog: `${prefix}:backlog`,
    credentials: `${prefix}:credentials`,
    credential: (name) => `${prefix}:credential:${name}`,
    credentialHeld: (name) => `${prefix}:held:credential:${name}`,
    fits: `${prefix}:fits`,
    fitHeld: (need) => `${prefix}:held:fit:${need}`,
    unplaced: `${prefix}:unplaced`,
    tenants: `${prefix}:tenants`,
    idempotency: (tenant, hash) => `${prefix}:idem:${tenant}:${hash}`,
    stats: (tenant, minute) => `${prefix}:stats:${tenant}:${minute}`,
    totals: (tenant) => `${prefix}:totals:${tenant}`,
    spent: (tenant, day) => `${prefix}:spent:${tenant}:${day}`,
    worker: (id) => `${prefix}:worker:${id}`,
    workers: `${prefix}:workers`,
    drain: (id) => `${prefix}:drain:${id}`,
    attempts: (id) => `${prefix}:attempts:${id}`,
    reaper: `${prefix}:reaper`,
    counters: `${prefix}:counters`,
    metrics: `${prefix}:metrics`,
    tally: (instance) => `${prefix}:tally:${instance}`,
    hooks: (tenant) => `${prefix}:hooks:${tenant}`,
    hook: (id) => `${prefix}:hook:${id}`,
    hookDue: (id) => `${prefix}:hook:${id}:due`,
    hookLog: (id) => `${prefix}:hook:${id}:log`,
    delivery: (id) => `${prefix}:delivery:${id}`,
    hooksDue: `${prefix}:hooks-due`,
    hooksWake: `${prefix}:hooks-wake`,
    schedule: (id) => `${prefix}:schedule:${id}`,
    scheduleRuns: (id) => `${prefix}:schedule:${id}:runs`,
    schedules: (tenant) => `${prefix}:schedules:${tenant}`,
    allSchedules: `${prefix}:schedules`,
    scheduleKeeper: `${prefix}:schedule-keeper`,
    ticks: `${prefix}:${TICKS_NAME}:repeat`,
    tick: (id) => `${prefix}:${TICKS_NAME}:repeat:${id}`,
    transcript: (owner) => `${prefix}:transcript:${owner}`,
    bullJob: (id) => `${prefix}:${QUEUE_NAME}:${id}`,
    bull: (name) => `${prefix}:${QUEUE_NAME}:${name}`,
  }
}
