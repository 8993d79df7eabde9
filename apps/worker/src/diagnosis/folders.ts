import { mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { shellWord, type Check } from '@claude-fleet/core'

const MIB = 1_024 * 1_024
const LOW_BYTES = 1_024 * MIB
const FULL_BYTES = 64 * MIB
/**
 * What comes behind TMPDIR in the path of claude's socket: `/cfs-PID-TICKS-NONCE` of the session's folder and
 * `/cc-socks/PID.sock` (2.1.330), with the longest numbers there are. Linux allows 107 bytes for the whole.
 */
const SOCKET_BYTES = '/cfs-4194304-999999999999-0123456789ab/cc-socks/4194304.sock'.length
const MAX_SOCKET_PATH_BYTES = 107

export interface Folders {
  workspaceRoot: string
  stateDir: string
  /** TMPDIR of the worker. */
  temporary: string
}

/** Can the folders of workspaces, state and temporary files be made and written, with room on the disk, by nobody else? */
export async function folderChecks({ workspaceRoot, stateDir, temporary }: Folders): Promise<Check[]> {
  const checks = await Promise.all([
    folderCheck('folders.workspaces', 'FLEET_WORKSPACE_ROOT', workspaceRoot),
    folderCheck('folders.state', 'FLEET_STATE_DIR', stateDir),
    folderCheck('folders.temporary', 'TMPDIR', temporary),
  ])
  return [...checks, pathCheck(temporary)].filter((check) => check !== undefined)
}

async function folderCheck(name: string, setting: string, folder: string): Promise<Check> {
  const existing = await nearest(folder)
  const isThere = existing === folder
  const elsewhere = `export ${setting}=...   # a folder that can be written`
  try {
    await writeProbe(existing)
  } catch (error) {
    const found = `${folder} cannot be ${isThere ? 'written' : 'made'}: ${codeOf(error)}`
    const fix = codeOf(error) === 'EACCES' ? `sudo install -d -o "$(id -un)" -m 700 ${shellWord(folder)}` : elsewhere
    return { name, status: 'fail', found, fix }
  }
  const [{ mode, uid }, disk] = await Promise.all([stat(existing), statfs(existing)])
  const free = disk.bavail * disk.bsize
  const found = `${folder}, ${Math.floor(free / MIB)} MB free${isThere ? '' : ' (is made at the start)'}`
  if (isThere && setting !== 'TMPDIR') {
    const access = accessCheck({ name, folder, found, mode, uid, isState: setting === 'FLEET_STATE_DIR' })
    if (access !== undefined) return access
  }
  // The system's temporary folder is everybody's by design; its sticky bit keeps the session folders ours.
  if (setting === 'TMPDIR' && (mode & 0o002) !== 0 && (mode & 0o1000) === 0) {
    return {
      name,
      status: 'fail',
      found: `${found}; others may replace what is in it`,
      fix: `chmod +t ${shellWord(folder)}`,
    }
  }
  if (disk.files > 0 && disk.ffree === 0)
    return { name, status: 'fail', found: `${folder}: no inode is free`, fix: 'df -i' }
  if (free >= LOW_BYTES) return { name, status: 'ok', found }
  const fix = `df -h ${shellWord(existing)}   # free some, or set ${setting} to another disk`
  return { name, status: free < FULL_BYTES ? 'fail' : 'warn', found, expected: `${LOW_BYTES / MIB} MB free`, fix }
}

function accessCheck(folder: {
  name: string
  folder: string
  found: string
  mode: number
  uid: number
  isState: boolean
}): Check | undefined {
  const { name, found, mode, uid } = folder
  const path = shellWord(folder.folder)
  if ((mode & 0o002) !== 0) {
    return { name, status: 'fail', found: `${found}; everybody on this host may write it`, fix: `chmod o-w ${path}` }
  }
  const own = process.getuid?.()
  if (own !== undefined && uid !== own) {
    return { name, status: 'warn', found: `${found}; it belongs to user ${uid}`, fix: `sudo chown ${own} ${path}` }
  }
  // Sign-ins and conversations of all tenants.
  if (folder.isState && (mode & 0o005) !== 0) {
    return { name, status: 'warn', found: `${found}; everybody on this host may read it`, fix: `chmod o-rwx ${path}` }
  }
  return undefined
}

/** Where the path of its socket does not fit, claude opens it in a folder that all tenants share. */
function pathCheck(temporary: string): Check {
  const name = 'folders.socket-path'
  const most = MAX_SOCKET_PATH_BYTES - SOCKET_BYTES
  const bytes = Buffer.byteLength(temporary)
  if (bytes <= most) return { name, status: 'ok', found: `${bytes} bytes for TMPDIR` }
  const found = `${bytes} bytes for TMPDIR: claude's socket does not fit, and goes to a folder that tenants share`
  return { name, status: 'warn', found, expected: `at most ${most}`, fix: 'export TMPDIR=/tmp' }
}

async function nearest(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const exists = await stat(at).then(
      () => true,
      () => false,
    )
    if (exists || at === dirname(at)) return at
  }
}

/** Does it for real: what a mode allows, a read-only or full disk does not. */
async function writeProbe(folder: string): Promise<void> {
  const probe = await mkdtemp(join(folder, '.claude-fleet-doctor-'))
  try {
    await writeFile(join(probe, 'probe'), 'probe')
  } finally {
    await rm(probe, { recursive: true })
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
