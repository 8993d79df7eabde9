import { readClientSettings, readWorkerSettings, SettingsError, type WorkerSettings } from '@claude-fleet/core'
import type { Check } from '@claude-fleet/worker'
import type { Commands } from '../commands.js'
import { EXIT } from '../exit-code.js'
import type { Terminal } from '../terminal.js'
import { oneLine, printable, styleOf, type Style } from '../text/style.js'
import { checkApi } from './api.js'

/** `doctor`. */
export function addDoctor({ command, action, terminal }: Commands): void {
  const { stdout } = terminal
  command('doctor', 'look at Redis, claude, credentials, folders and limits, and name what mends them')
    .option('--online', 'also ask the API whether it takes each credential; costs nothing')
    .option('--json', 'print the checks as JSON')
    .addHelpText(
      'after',
      `
Looks at what a worker on this host would find with the settings of this shell, and at FLEET_URL where it is set.
Exit code: 0 all is well or merely worth a look, 1 something is wrong, 78 a setting cannot be read.

Examples:
  claude-fleet doctor
  claude-fleet doctor --online --json | jq -r '.checks[] | select(.status == "fail") | .fix'
`,
    )
    .action(
      action(async ({ online = false, json = false }: { online?: boolean; json?: boolean }) => {
        const { checks, badSettings } = await examine(terminal, online)
        const failed = checks.some(({ status }) => status === 'fail')
        if (json) stdout.write(`${JSON.stringify({ ok: !failed, checks })}\n`)
        else stdout.write(checks.flatMap((check) => lines(check, styleOf(stdout, terminal.env))).join(''))
        if (badSettings) return EXIT.settings
        return failed ? EXIT.jobFailed : EXIT.ok
      }),
    )
}

async function examine(terminal: Terminal, online: boolean): Promise<{ checks: Check[]; badSettings: boolean }> {
  const leave = new AbortController()
  using _ = terminal.onSignal(() => leave.abort())
  const redisUrl = terminal.env['REDIS_URL'] || terminal.env['REDIS_URL_FILE']
  const faults: Check[] = []
  const read = <T>(reader: () => T): T | undefined => {
    try {
      return reader()
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      const found = error.message.replace(`${error.setting}: `, '')
      if (!faults.some(({ name }) => name === error.setting))
        faults.push({ name: error.setting, status: 'fail', found, fix: 'see docs/settings.md' })
      return undefined
    }
  }
  const client = read(() => readClientSettings(terminal))
  // A worker wants a Redis of its own setting; without one the rest can still be looked at.
  const env = redisUrl ? terminal.env : { ...terminal.env, REDIS_URL: 'redis://127.0.0.1:6379' }
  const worker = read(() => readWorkerSettings({ ...terminal, env }, terminal.home))
  const groups = await Promise.all([
    redisUrl && worker !== undefined ? lookAtRedis(worker.redisUrl) : [noRedis(redisUrl)],
    client?.url === undefined ? [] : checkApi(client.url, client.apiKey, leave.signal),
    worker === undefined ? [] : examineWorker(worker, terminal, online, leave.signal),
  ])
  return { checks: [...faults, ...groups.flat()], badSettings: faults.length > 0 }
}

async function examineWorker(
  settings: WorkerSettings,
  terminal: Terminal,
  online: boolean,
  signal: AbortSignal,
): Promise<Check[]> {
  // Loaded here, so that a command such as `run` does not pay for a worker it does not start.
  const { diagnoseWorker } = await import('@claude-fleet/worker')
  return diagnoseWorker(settings, terminal, { path: terminal.env['PATH'] ?? '', online, signal })
}

function noRedis(redisUrl: string | undefined): Check {
  const found = redisUrl
    ? 'not looked at: a setting is wrong'
    : 'REDIS_URL is not set; claude-fleet up starts a private one'
  return { name: 'redis', status: 'skipped', found }
}

const MARKS: Readonly<Record<Check['status'], string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL', skipped: '-   ' }

function lines({ name, status, found, fix }: Check, style: Style): string[] {
  const paint = { ok: style.good, warn: style.warn, fail: style.bad, skipped: style.dim }[status]
  const line = `${paint(MARKS[status])}  ${oneLine(name, undefined).padEnd(18)} ${oneLine(found, undefined)}\n`
  return fix === undefined || status === 'ok' ? [line] : [line, `      ${style.dim('mend it:')} ${printable(fix)}\n`]
}

/** Loaded here, so that other commands do not wait for a queue that they do not use. */
async function lookAtRedis(url: string): Promise<Check[]> {
  const { checkRedisAt } = await import('./redis.js')
  return checkRedisAt(url)
}
