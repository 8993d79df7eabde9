import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { onPath } from '../launch/on-path.js'
import { CARE_RUNGS, type CageParts, type CareRung } from './cage.js'
import { killCgroup, makeCgroup, ownCgroup, removeCgroup } from './cgroup.js'

export interface DetectProcessCareOptions {
  /** PATH in which the tools of util-linux are looked for. */
  path: string
  /** Try this rung alone. */
  rung?: CareRung | undefined
}

/** What a host lets a worker do about the processes of its sessions. */
export interface ProcessCareReport {
  rung: CareRung
  /** Each rung above it, and why it cannot be had. */
  refused: { rung: CareRung; why: string }[]
  /** The kernel itself ends claude when its worker dies, should the supervisor be gone too. */
  endsWithParent: boolean
  /** A daemon that empties its environment is still known, by a limit it inherits. */
  marksByLimit: boolean
}

/** As the report, with what cages are made of. */
export interface DetectedCare extends ProcessCareReport {
  parts: CageParts
  /** The cgroup in which workers make theirs; with `cgroup`. */
  cgroupParent: string | undefined
}

/** Which way of holding a session's processes together this host allows, and why not a better one. */
export async function detectProcessCare(options: DetectProcessCareOptions): Promise<ProcessCareReport> {
  const { rung, refused, endsWithParent, marksByLimit } = await detectCare(options)
  return { rung, refused, endsWithParent, marksByLimit }
}

/** Throws an Error when the one rung that was asked for cannot be had. */
export async function detectCare({ path, rung: only }: DetectProcessCareOptions): Promise<DetectedCare> {
  const parts = process.platform === 'linux' ? await commonParts(path) : { shell: undefined }
  const refused: ProcessCareReport['refused'] = []
  for (const rung of only === undefined ? CARE_RUNGS : [only]) {
    try {
      const { cgroupParent, ...own } = await rungParts(rung, path, parts.shell)
      return {
        rung,
        refused,
        endsWithParent: parts.setpriv !== undefined,
        marksByLimit: parts.lockFlag !== undefined,
        parts: { rung, ...(rung === 'process' ? {} : parts), ...own },
        cgroupParent,
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (only !== undefined) throw error
      refused.push({ rung, why })
    }
  }
  throw new Error('there is no way to end processes')
}

type CommonParts = Pick<CageParts, 'setpriv' | 'shell' | 'lockFlag' | 'oomScore'>

async function commonParts(path: string): Promise<CommonParts> {
  const [setpriv, shell] = await Promise.all([onPath('setpriv', path), onPath('sh', `/bin${delimiter}${path}`)])
  if (shell === undefined) return { shell }
  const holdsLimit = async (flag: string): Promise<boolean> =>
    (await run([shell, '-c', `ulimit ${flag} 4611686018427387904 && exec cat /proc/self/limits`])).stdout.includes(
      '4611686018427387904',
    )
  const [usesW, usesX, diesWithParent, score] = await Promise.all([
    holdsLimit('-w'),
    holdsLimit('-x'),
    setpriv === undefined ? false : run([setpriv, '--pdeathsig', 'TERM', '--', shell, '-c', ':']).then((end) => end.ok),
    readFile('/proc/self/oom_score_adj', 'utf8').then(Number, () => undefined),
  ])
  return {
    shell,
    setpriv: diesWithParent ? setpriv : undefined,
    lockFlag: usesW ? '-w' : usesX ? '-x' : undefined,
    oomScore: score === undefined ? undefined : Math.min(score + OOM_SCORE_MORE, 1_000),
  }
}

/** Of a thousand: how much sooner than its worker a session is chosen when memory runs out. */
const OOM_SCORE_MORE = 300

async function rungParts(
  rung: CareRung,
  path: string,
  shell: string | undefined,
): Promise<{ cgroupParent?: string; unshare?: string[] }> {
  if (rung === 'process') return {}
  if (shell === undefined) throw new Error('this system has no /proc, or no shell')
  if (rung === 'sweep') return {}
  if (rung === 'cgroup') return { cgroupParent: await usableCgroup(shell) }
  return { unshare: await usableUnshare(path, shell) }
}

/** Tries all that a cage needs: making a cgroup, entering it, `cgroup.kill`, removing it. */
async function usableCgroup(shell: string): Promise<string> {
  const parent = await ownCgroup()
  const folder = join(parent, `claude-fleet-try-${randomBytes(4).toString('hex')}`)
  await makeCgroup(folder).catch((error: unknown) => refuse(parent, error))
  try {
    await access(join(folder, 'cgroup.kill')).catch(() => {
      throw new Error('this kernel has no cgroup.kill (since Linux 5.14)')
    })
    const entered = await run([shell, '-c', 'echo 0 >"$1/cgroup.procs"', 'sh', folder])
    if (!entered.ok) throw new Error(`${parent}: a process cannot be moved below it (${entered.stderr})`)
    await killCgroup(folder).catch((error: unknown) => refuse(parent, error))
  } finally {
    await removeCgroup(folder)
  }
  return parent
}

function refuse(folder: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException
  throw new Error(`${folder} may not be used (${code}); systemd: Delegate=yes`, { cause: error })
}

/** As root a PID namespace of its own, else within a user namespace, where the kernel lets users have them. */
async function usableUnshare(path: string, shell: string): Promise<string[]> {
  const unshare = await onPath('unshare', path)
  if (unshare === undefined) throw new Error('there is no unshare (util-linux)')
  const common = ['--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc', '--']
  let said = ''
  for (const words of [
    [unshare, ...common],
    [unshare, '--user', '--map-current-user', ...common],
  ]) {
    const end = await run([...words, shell, '-c', '[ $$ = 1 ] && [ -d /proc/1 ]'])
    if (end.ok) return words
    said = end.stderr
  }
  throw new Error(`a PID namespace is not allowed (${said.split('\n')[0]})`)
}

interface Run {
  ok: boolean
  stdout: string
  stderr: string
}

/** Runs a probe for 5 s at most. */
function run(command: readonly string[]): Promise<Run> {
  const [file = '', ...args] = command
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 5_000,
      killSignal: 'SIGKILL',
    })
    const said = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
    child.once('error', (error) => resolve({ ok: false, ...said, stderr: error.message }))
    child.once('close', (code) => resolve({ ok: code === 0, ...said, stderr: said.stderr.trim() }))
  })
}
