import {
  readClientSettings,
  readWorkerSettings,
  SettingsError,
  type Check,
  type ClientSettings,
  type WorkerSettings,
} from '@claude-fleet/core'
import { inspectRedis } from '@claude-fleet/queue'
import { diagnoseWorker } from '@claude-fleet/worker'
import { EXIT } from '../exit-code.js'
import type { Terminal } from '../terminal.js'
import { checkApi } from './api.js'

export interface Examination {
  checks: readonly Check[]
  /** The first setting that cannot be read. What does not hang on it was still looked at. */
  fault: SettingsError | undefined
}

/** Looks at everything at once, within 10 s. Ctrl-C ends the process. */
export async function examine(terminal: Terminal, { online }: { online: boolean }): Promise<Examination> {
  using _ = terminal.onSignal(() => terminal.exit(EXIT.interrupted))
  const { env } = terminal
  const faults: SettingsError[] = []
  const client = attempt(() => readClientSettings(terminal), faults)
  const worker = attempt(() => readWorker(terminal), faults)
  const done = new AbortController()
  try {
    const [redis, api, host] = await Promise.all([
      client === undefined ? [] : redisChecks(client, env),
      client?.url === undefined ? [] : checkApi({ url: client.url, apiKey: client.apiKey }, done.signal),
      worker === undefined
        ? []
        : diagnoseWorker(worker, terminal, { path: env['PATH'] ?? '', online, signal: done.signal }),
    ])
    const isClientOnly = client?.url !== undefined && client.redisUrl === undefined
    const wrong = new Map(faults.map((fault) => [fault.setting, faultCheck(fault)]))
    return {
      checks: [...wrong.values(), ...redis, ...api, ...(isClientOnly ? host.map(ofNoWorker) : host)],
      fault: faults[0],
    }
  } finally {
    done.abort()
  }
}

/** Without a Redis there is no worker, but what it would run with can be looked at; this address is not used. */
function readWorker(terminal: Terminal): Omit<WorkerSettings, 'redisUrl'> {
  const hasRedis = Boolean(terminal.env['REDIS_URL'] || terminal.env['REDIS_URL_FILE'])
  const env = hasRedis ? terminal.env : { ...terminal.env, REDIS_URL: 'redis://127.0.0.1:6379' }
  return readWorkerSettings({ ...terminal, env }, terminal.home)
}

function attempt<T>(read: () => T, faults: SettingsError[]): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    faults.push(error)
    return undefined
  }
}

function faultCheck({ setting, message }: SettingsError): Check {
  const found = message.replace(`${setting}: `, '')
  return {
    name: `settings.${setting}`,
    status: 'fail',
    found,
    fix: `export ${setting}=...   # docs/settings.md has what it may be`,
  }
}

async function redisChecks({ redisUrl, url, prefix }: ClientSettings, env: Terminal['env']): Promise<readonly Check[]> {
  if (redisUrl !== undefined) {
    // The address itself holds the password: the shell takes it from where it is.
    const cli = env['REDIS_URL_FILE'] ? 'redis-cli -u "$(cat "$REDIS_URL_FILE")"' : 'redis-cli -u "$REDIS_URL"'
    return inspectRedis({ url: redisUrl, prefix, cli, now: Date.now })
  }
  const found =
    url === undefined ? 'REDIS_URL is not set; claude-fleet up starts a private one' : 'REDIS_URL is not set'
  return [{ name: 'redis.reachable', status: 'skipped', found }]
}

/** A host that has the API's address alone runs no worker. */
function ofNoWorker(check: Check): Check {
  return check.status === 'fail'
    ? { ...check, status: 'warn', found: `${check.found} (only a worker needs it)` }
    : check
}
