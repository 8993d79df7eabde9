import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import {
  createProcessCare,
  createSessionPool,
  createSessionStarter,
  findClaude,
  type ClaudeBinary,
  type ProcessCareEvent,
  type ProcessCare,
  type SessionPool,
} from '@claude-fleet/claude'
import { DEFAULT_CREDENTIAL, FleetError, SettingsError, type WorkerSettings } from '@claude-fleet/core'
import {
  checkRedis,
  connectRedis,
  createConsumer,
  createJanitor,
  createTally,
  createTicker,
  fingerprintOf,
  registerWorker,
  type Consumer,
  type Log,
  type Ticker,
  type WorkerStatus,
} from '@claude-fleet/queue'
import { loggedAttempt } from './attempt-log.js'
import { createClock } from './clock.js'
import { createEgress, type Egress } from './egress/egress.js'
import { createHealthFiles, type HealthFiles } from './health-files.js'
import { capacityOf, SESSION_MAX_BYTES } from './host/capacity.js'
import { readIntoPageCache } from './host/page-cache.js'
import { readHostResources } from './host/resources.js'
import { allClosed } from './closed.js'
import { createPauses } from './pauses.js'
import { pinnedStart } from './pinned-start.js'
import { watchRedis, type RedisWatch } from './redis-watch.js'
import { createRedactor, secretsOf } from './redactor.js'
import { createRunAttempt } from './run-attempt.js'
import { createSessionSpecSource } from './session-spec.js'
import { checkSpawnWrapper, createSpawnWrapper } from './spawn-wrapper.js'
import { timedAcquire, timedStart } from './timing.js'
import { createTraces, type TraceDeps, type Traces } from './trace/traces.js'

export interface WorkerDeps {
  log: Log
  /** PATH in which `claude` is looked for, and which it and its tools get. */
  path: string
}

/** A worker that claims jobs. */
export interface WorkerService {
  id: string
  /** Finishes its attempts within the drain time, hands back the rest, ends every process. A second call hurries it. */
  stop(): Promise<void>
  /** Resolves when the worker was asked to drain and has. */
  ended: Promise<void>
}

/**
 * Starts a worker; resolves when it claims. Rejects with SettingsError when its claude or its Redis cannot be used as
 * set, and FleetError `UNAVAILABLE` when Redis does not answer.
 */
export async function startWorker(given: WorkerSettings, { log, path }: WorkerDeps): Promise<WorkerService> {
  const settings = withCredential(given, log)
  const claude = await findUsableClaude(settings, path)
  const workerId = settings.workerId ?? `${hostname()}-${randomBytes(3).toString('hex')}`
  const { concurrency: limit, spares, parallelStarts } = capacityOf(await readHostResources(), settings)
  const redis = await connectRedis({ url: settings.redisUrl, name: `worker:${workerId}`, log, mode: 'worker' })
  const commands = await connectRedis({ url: settings.redisUrl, name: `janitor:${workerId}`, log, mode: 'api' })
  let health: HealthFiles | undefined
  const disconnect = async () => void (await Promise.allSettled([redis.close(), commands.close(), health?.close()]))
  let care: ProcessCare | undefined
  let egress: Egress | undefined
  let watching: Consumer | undefined
  let ticking: Ticker | undefined
  let redisWatch: RedisWatch | undefined
  try {
    health = await openHealthFiles(settings.healthDir, log)
    await checkRedis(redis)
    // What a worker of this host left behind when it was killed must not go on beside the attempt that replaces it.
    care = await createProcessCare({ path, onEvent: (event) => logCare(log, event) })
    const { rung, refused } = care.report
    log.info({ rung, refused }, `processes are ended by ${rung}`)
    const onLeak = (error: unknown) => log.error({ err: error }, 'a process of a session could not be ended')
    const tally = createTally()
    const environments = [...settings.credentials.values()].map((credential) => credential.env)
    const redact = createRedactor(environments)
    const secrets = secretsOf(environments)
    const traces = await openTraces(settings, { redact, secrets, log })
    egress = settings.egressProxy
      ? await createEgress(
          { log, onRefused: () => tally.count('egressRefused') },
          { ...settings, withSocket: settings.spawnWrapper !== undefined },
        )
      : undefined
    const spawnWrapper = createSpawnWrapper(settings, { claude, egress })
    await checkSpawnWrapper(spawnWrapper, settings, { claude, path })
    const traceStart = traces !== undefined
    const startWithKey = await createSessionStarter({ claude, path, care, traceStart, spawnWrapper })
    const start = egress?.keyless(startWithKey) ?? startWithKey
    const onSpareLost = (error: unknown) => log.warn({ err: error }, 'an idle claude process was lost; no job was')
    const onNotReusable = (why: string) => log.debug({ why }, 'a claude process that had served is not used again')
    const pauses = createPauses((paused) => watching?.hold(paused))
    const clock = createClock(log, (reason) => pauses.set('clock', reason))
    const onOtherClaude = (found: string) => {
      const reason = `claude was changed from ${claude.version} to ${found}; restart the worker`
      log.error({ found, began: claude.version }, reason)
      pauses.set('claude', reason)
    }
    const pool = createSessionPool(
      {
        startSession: pinnedStart(timedStart(start, tally), claude.version, onOtherClaude),
        onLeak,
        onSpareLost,
        onNotReusable,
      },
      { max: limit, spares, idleMs: settings.sessionIdleMs, parallelStarts, maxBytes: SESSION_MAX_BYTES },
    )
    const attempts = {
      pool: timedAcquire(pool, tally),
      sessionSpec: createSessionSpecSource(settings),
      redact,
      secrets,
      traces,
    }
    const run = createRunAttempt({ ...attempts, log, now: Date.now, random: Math.random }, { workerId })
    const { prefix, retentionMs, jobKeys } = settings
    if (jobKeys.length === 0) {
      log.warn({}, 'FLEET_JOB_KEY is not set: whoever can write Redis can run prompts here')
    }
    const fingerprints = Object.fromEntries(
      [...settings.credentials.values()].map(({ name, env }) => [name, fingerprintOf(env)]),
    )
    const consumer = createConsumer(
      {
        redis,
        log,
        run: loggedAttempt(run, log, { workerId }),
        has: (name) => settings.credentials.has(name),
        fingerprint: (name) => fingerprints[name],
      },
      { prefix, workerId, concurrency: limit, retentionMs, jobKeys, labels: settings.labels, events: settings.events },
    )
    watching = consumer
    // From before the wait for an older process of this id: what that one left is found all the sooner.
    consumer.watch()
    let draining = false
    let drained = () => {}
    const ended = new Promise<void>((resolve) => (drained = resolve))
    const status = () =>
      statusOf({ claude, limit, consumer, pool, pausedReason: draining ? 'draining' : pauses.reason, settings })
    const onBeat = ({ clockOffMs, closed }: { clockOffMs: number; closed: ReadonlyMap<string, number> }) => {
      pauses.set('credentials', allClosed(Object.keys(fingerprints), closed))
      health?.beaten()
      clock.seen(clockOffMs)
    }
    const registration = await registerWorker(
      { redis, log, status, tally, onDrain: () => void stop().then(drained, drained), onBeat },
      { prefix, workerId, host: hostname(), pid: process.pid, fingerprints },
    )
    const janitor = createJanitor({ redis: commands, log }, { prefix, retentionMs })
    const ticker = createTicker({ redis, log }, { prefix, retentionMs, jobKeys })
    ticking = ticker

    const stopped = new AbortController()
    let stopping: Promise<void> | undefined
    const stop = (): Promise<void> => {
      if (stopping !== undefined) {
        // Whoever asks again is in a hurry: what still runs is interrupted and handed back.
        return Promise.all([consumer.stop(0), stopping]).then(() => {})
      }
      draining = true
      stopped.abort()
      log.info({ workerId, running: consumer.running(), drainMs: settings.drainMs }, 'worker stopping')
      stopping = (async () => {
        await health?.draining()
        // In this order: no new claim, attempts to their end, their processes, our place in the list, the connections.
        await registration.beat().catch((error: unknown) => log.warn({ err: error }, 'the last heartbeat was not sent'))
        await consumer.stop(settings.drainMs)
        await pool.stop()
        await care?.close()
        await egress?.close()
        await traces?.close()
        redisWatch?.close()
        await ticker.stop()
        await janitor.stop()
        await registration.close().catch((error: unknown) => log.warn({ err: error }, 'could not leave the list'))
        await disconnect()
        log.info({ workerId }, 'worker stopped')
      })()
      return stopping
    }

    await consumer.start()
    await ticker.start()
    janitor.start()
    redisWatch = watchRedis({ check: () => checkRedis(commands), log }, (reason) => pauses.set('redis', reason))
    // Not waited for: the first job is as well served by a disk that is read once.
    readIntoPageCache(claude.file, stopped.signal).catch((error: unknown) =>
      log.debug({ err: error }, 'claude was not read ahead'),
    )
    log.info({ workerId, limit, spares, claudeVersion: claude.version, claude: claude.file }, 'worker ready')
    return { id: workerId, stop, ended }
  } catch (error) {
    await watching?.stop(0)
    await ticking?.stop()
    await care?.close()
    await egress?.close()
    await disconnect()
    throw error
  }
}

function logCare(log: Log, event: ProcessCareEvent): void {
  if (event.type === 'leftovers') log.warn({ pids: event.pids }, 'ended processes that a dead worker had left')
  else if (event.type === 'silence') {
    log.error({ pids: event.pids }, 'this worker stood still, so its supervisor ended the processes of its sessions')
  } else log.error({ why: event.why }, 'the supervisor of this worker died; another is started')
}

/** A worker without any credential still answers: claude says that it is not logged in, and the job fails with that. */
function withCredential(settings: WorkerSettings, log: Log): WorkerSettings {
  if (settings.credentials.size > 0) return settings
  log.warn({}, 'no credential is set, such as ANTHROPIC_API_KEY; jobs will fail with AUTH_FAILED')
  const none = { name: DEFAULT_CREDENTIAL, env: {}, tenants: undefined }
  return { ...settings, credentials: new Map([[DEFAULT_CREDENTIAL, none]]) }
}

async function openHealthFiles(folder: string | undefined, log: Log): Promise<HealthFiles | undefined> {
  if (folder === undefined) return undefined
  return createHealthFiles(folder, log).catch((cause: unknown) => {
    throw new SettingsError('FLEET_HEALTH_DIR', `${JSON.stringify(folder)} cannot be written`, { cause })
  })
}

async function openTraces({ traceDir }: WorkerSettings, deps: TraceDeps): Promise<Traces | undefined> {
  if (traceDir === undefined) return undefined
  deps.log.warn({ traceDir }, 'debug mode: prompts and answers of every job are written to files')
  return createTraces(traceDir, deps)
}

async function findUsableClaude(settings: WorkerSettings, path: string): Promise<ClaudeBinary> {
  try {
    return await findClaude({ bin: settings.claudeBin, path, resolveFrom: [import.meta.dirname] })
  } catch (cause) {
    throw new SettingsError('CLAUDE_BIN', cause instanceof FleetError ? cause.message : String(cause), { cause })
  }
}

function statusOf(worker: {
  claude: ClaudeBinary
  limit: number
  consumer: Consumer
  pool: SessionPool
  pausedReason: string | undefined
  settings: WorkerSettings
}): WorkerStatus {
  const { created, reused, spare, cold, destroyed, destroyedBy, spares } = worker.pool.stats()
  return {
    claudeVersion: worker.claude.version,
    limit: worker.limit,
    running: worker.consumer.running(),
    spares,
    credentials: [...worker.settings.credentials.keys()],
    labels: [...worker.settings.labels],
    keepsMs: worker.settings.sessionIdleMs,
    pausedReason: worker.pausedReason,
    pool: { created, reused, spare, cold, destroyed },
    ends: destroyedBy,
  }
}
