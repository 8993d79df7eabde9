import { mkdir, mkdtemp, readFile, rm, stat, statfs } from 'node:fs/promises'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { detectProcessCare, findClaude } from '@claude-fleet/claude'
import { isFleetError, type WorkerSettings } from '@claude-fleet/core'
import { defaultConcurrency } from '../concurrency.js'
import { fail, ok, warn, type Check } from './check.js'

const MIB = 1_024 * 1_024
/** Memory of a session when it starts, bytes; it grows with the conversation. */
const SESSION_BYTES = 125 * MIB
const FREE_BYTES = 1_024 * MIB
const FILES_A_SESSION = 64
const PROCESSES_A_SESSION = 64

/** Is there a claude that can be run, and is it the one this version was made with? */
export async function checkClaude(settings: WorkerSettings, path: string): Promise<Check[]> {
  try {
    const claude = await findClaude({ bin: settings.claudeBin, path, resolveFrom: [import.meta.dirname] })
    const pinned = await findClaude({ path: '', resolveFrom: [import.meta.dirname] }).catch(() => undefined)
    const found = `${claude.version} at ${claude.path}`
    if (pinned !== undefined && pinned.version !== claude.version) {
      return [
        warn('claude', `${found}; this fleet is tested with ${pinned.version}`, 'unset CLAUDE_BIN to use that one'),
      ]
    }
    return [ok('claude', found)]
  } catch (error) {
    const fix =
      settings.claudeBin === undefined
        ? 'npm install -g @anthropic-ai/claude-code'
        : 'set CLAUDE_BIN to the claude executable'
    return [fail('claude', isFleetError(error) ? error.message : String(error), fix)]
  }
}

/** How processes of jobs are held together, and so ended. */
export async function checkProcessCare(path: string): Promise<Check[]> {
  const { rung, refused } = await detectProcessCare({ path })
  const why = refused.map(({ rung: better, why: reason }) => `no ${better}: ${reason}`).join('; ')
  const found = why === '' ? rung : `${rung} (${why})`
  if (rung === 'cgroup' || rung === 'namespace') return [ok('process care', found)]
  return [warn('process care', found, 'run the worker as root or with a delegated cgroup (systemd: Delegate=yes)')]
}

/** The folders of workspaces and state: can they be made and written, by nobody else, with room on the disk? */
export async function checkFolders(settings: WorkerSettings): Promise<Check[]> {
  return Promise.all([
    checkFolder('workspaces', 'FLEET_WORKSPACE_ROOT', settings.workspaceRoot),
    checkFolder('state', 'FLEET_STATE_DIR', settings.stateDir),
  ])
}

async function checkFolder(name: string, setting: string, folder: string): Promise<Check> {
  const missing = await firstMissing(folder)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const probe = await mkdtemp(join(folder, '.doctor-'))
    await rm(probe, { recursive: true })
    const { mode, uid } = await stat(folder)
    const { bavail, bsize } = await statfs(folder)
    const free = bavail * bsize
    const found = `${folder}, ${Math.floor(free / MIB)} MiB free`
    if ((mode & 0o022) !== 0) return fail(name, `${found}; others may write it`, `chmod go-w ${folder}`)
    if (uid !== process.getuid?.())
      return warn(name, `${found}; owned by user ${uid}`, `chown ${process.getuid?.()} ${folder}`)
    if (free < FREE_BYTES) return warn(name, found, `free space, or set ${setting} to a folder on another disk`)
    return ok(name, found)
  } catch (error) {
    return fail(
      name,
      `${folder}: ${error instanceof Error ? error.message : String(error)}`,
      `set ${setting} to a folder that can be written`,
    )
  } finally {
    // To look is not to leave something behind.
    if (missing !== undefined) await rm(missing, { recursive: true, force: true })
  }
}

async function firstMissing(folder: string): Promise<string | undefined> {
  let missing: string | undefined
  for (let at = folder; ; at = dirname(at)) {
    const exists = await stat(at).then(
      () => true,
      () => false,
    )
    if (exists) return missing
    missing = at
    if (at === dirname(at)) return undefined
  }
}

/** Does the host carry as many sessions as the worker may run at once? */
export async function checkLimits(settings: WorkerSettings): Promise<Check[]> {
  const sessions =
    (settings.concurrency ?? defaultConcurrency(availableParallelism(), totalmem())) + (settings.spares ?? 0)
  const needed = sessions * SESSION_BYTES
  const memory = `${Math.floor(freemem() / MIB)} of ${Math.floor(totalmem() / MIB)} MiB free, ${availableParallelism()} cores, ${sessions} sessions`
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const softLimit = (name: string) => {
    const value = new RegExp(`^${name} +(\\S+)`, 'm').exec(limits)?.[1]
    return value === undefined || value === 'unlimited' ? Infinity : Number(value)
  }
  const files = softLimit('Max open files')
  const processes = softLimit('Max processes')
  return [
    needed > freemem()
      ? warn('memory', `${memory}, about ${needed / MIB} MiB to begin with`, 'set FLEET_CONCURRENCY lower')
      : ok('memory', memory),
    files < sessions * FILES_A_SESSION + 256
      ? fail('open files', String(files), `ulimit -n ${sessions * FILES_A_SESSION + 256}`)
      : ok('open files', files === Infinity ? 'unlimited' : String(files)),
    processes < sessions * PROCESSES_A_SESSION
      ? fail('processes', String(processes), `ulimit -u ${sessions * PROCESSES_A_SESSION}`)
      : ok('processes', processes === Infinity ? 'unlimited' : String(processes)),
  ]
}
