import { readFile, realpath, stat } from 'node:fs/promises'
import {
  secretFiles,
  shellWord,
  type Check,
  type Credential,
  type SettingsSource,
  type WorkerSettings,
} from '@claude-fleet/core'

/** Variables by which claude signs in. */
const KEYS = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN']
const CLOUDS = ['CLAUDE_CODE_USE_BEDROCK', 'CLAUDE_CODE_USE_VERTEX']

/** Which credentials there are, by the names of their variables, and with `online` whether the API takes each. */
export async function credentialChecks(
  { credentials, networkEnv }: Pick<WorkerSettings, 'credentials' | 'networkEnv'>,
  { online, signal }: { online: boolean; signal: AbortSignal },
): Promise<Check[]> {
  if (credentials.size === 0) {
    const fix = 'export ANTHROPIC_API_KEY=...   # or FLEET_CREDENTIALS_FILE, a JSON file with several'
    return [{ name: 'credentials.default', status: 'fail', found: 'none: every job fails with AUTH_FAILED', fix }]
  }
  const all = [...credentials.values()]
  const present = all.map(presentCheck)
  if (!online) {
    const found = 'not asked; --online asks the API whether it takes them, at no cost'
    return [...present, { name: 'credentials.online', status: 'skipped', found }]
  }
  // Loaded here: without --online nothing is asked.
  const { askApi } = await import('./online.js')
  const usable = all.filter((_one, index) => present[index]?.status !== 'fail')
  return [...present, ...(await Promise.all(usable.map((one) => askApi(one, { networkEnv, signal }))))]
}

function presentCheck({ name: credential, env, tenants }: Credential): Check {
  const name = `credentials.${credential}`
  const set = [...KEYS, ...CLOUDS].filter((variable) => env[variable])
  const who = tenants === undefined ? '' : ` for ${tenants.length === 0 ? 'no tenant' : tenants.join(', ')}`
  if (set.length === 0) {
    const found = `has none of ${KEYS.join(', ')}`
    return { name, status: 'fail', found, fix: `set one of them, or ${CLOUDS.join(' or ')}` }
  }
  const torn = KEYS.find((variable) => !/^[\x21-\x7e]*$/.test(env[variable] ?? ''))
  if (torn !== undefined) {
    const found = `${torn} has a blank, a line break or another character that no key has`
    return { name, status: 'fail', found, fix: `set ${torn} anew, without what was copied along` }
  }
  return { name, status: 'ok', found: `${set.join(', ')}${who}` }
}

/** Can others on this host read or change the files that hold secrets? */
export async function secretFileChecks(env: SettingsSource['env']): Promise<Check[]> {
  return Promise.all(secretFiles(env).map(({ setting, path }) => secretFileCheck(setting, path)))
}

async function secretFileCheck(setting: string, path: string): Promise<Check> {
  const name = `credentials.${setting}`
  const [{ mode }, real, mounts] = await Promise.all([
    stat(path),
    realpath(path),
    readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
  ])
  const found = `${path} (mode ${(mode & 0o777).toString(8)})`
  if ((mode & 0o007) === 0) return { name, status: 'ok', found }
  const everybody = `everybody here can ${(mode & 0o002) === 0 ? 'read' : 'change'} ${found}`
  if (isMountedReadOnly(mounts, real)) {
    const fix = 'give the secret a mode of 0440 where it is mounted, or run nothing else in this container'
    return { name, status: 'warn', found: `${everybody}, which was mounted so`, fix }
  }
  return { name, status: 'fail', found: everybody, fix: `chmod o-rwx ${shellWord(path)}` }
}

/**
 * Is a file on a mount that may not be written, as the secrets of containers are? Their mode is set from outside, and
 * whoever else is in the container is the fleet's own. `mountinfo`: of /proc/self.
 */
export function isMountedReadOnly(mountinfo: string, path: string): boolean {
  const mounts = mountinfo.split('\n').map((line) => line.split(' '))
  const over = mounts.filter(
    ([, , , , at]) => at !== undefined && (at === path || path.startsWith(at.replace(/\/?$/, '/'))),
  )
  // Of the mounts over it the deepest counts, and of several at one place the last.
  const [, , , , , options = ''] = over.toSorted((a, b) => (a[4] ?? '').length - (b[4] ?? '').length).at(-1) ?? []
  return options.split(',').includes('ro')
}
