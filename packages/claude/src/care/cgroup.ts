import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pidNamespace, readEntry } from '../process/process-table.js'
import type { ProcessIdentity } from '../process/owner.js'

/** Begins the name of a worker's cgroup, `claude-fleet-PIDNAMESPACE-PID-START`, and of a session's that is not in one. */
const PREFIX = 'claude-fleet-'

/**
 * The folder below which this process may make cgroups of version 2: its own cgroup, wherever version 2 is mounted
 * (`/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` beside version 1). Throws an Error that says why there is none.
 */
export async function ownCgroup(): Promise<string> {
  const [mounts, cgroups] = await Promise.all(
    ['/proc/self/mountinfo', '/proc/self/cgroup'].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  return locateCgroup(mounts ?? '', cgroups ?? '')
}

/** As `ownCgroup`, from the text of `/proc/self/mountinfo` and `/proc/self/cgroup`. */
export function locateCgroup(mountinfo: string, cgroups: string): string {
  const own = /^0::(\/.*)$/m.exec(cgroups)?.[1]
  if (own === undefined) throw new Error('this system has no cgroups of version 2')
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ')
    const [, , , root, point] = before?.split(' ') ?? []
    if (after?.split(' ')[0] !== 'cgroup2' || root === undefined || point === undefined) continue
    const inside = root === '/' ? own : own === root ? '/' : own.startsWith(`${root}/`) ? own.slice(root.length) : ''
    // `/../x`: this process was moved out of what its cgroup namespace shows.
    if (inside === '' || inside.startsWith('/..')) continue
    return inside === '/' ? point : join(point, inside)
  }
  throw new Error('cgroups of version 2 are not mounted')
}

/** The name of a worker's cgroup, in which its sessions have one each. */
export async function cgroupName(owner: ProcessIdentity): Promise<string> {
  return `${PREFIX}${(await pidNamespace('self')) ?? '0'}-${owner.pid}-${owner.startTicks}`
}

/** Makes `folder`, a cgroup. Throws the system's error where that is not allowed. */
export async function makeCgroup(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
}

/** SIGKILL to all in a cgroup and below, at once: none can start another in time. Nothing if there is no such cgroup. */
export async function killCgroup(folder: string): Promise<void> {
  await writeFile(join(folder, 'cgroup.kill'), '1').catch(unlessGone)
}

/** Pids of what lives in a cgroup and below. */
export async function cgroupMembers(folder: string): Promise<number[]> {
  const [text, below] = await Promise.all([
    readFile(join(folder, 'cgroup.procs'), 'utf8').catch((error: unknown) => (unlessGone(error), '')),
    subgroups(folder),
  ])
  const pids = text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
  const deeper = await Promise.all(below.map((name) => cgroupMembers(join(folder, name))))
  return [...pids, ...deeper.flat()]
}

/** Removes a cgroup and those below it. Rejects while something lives in it. */
export async function removeCgroup(folder: string): Promise<void> {
  for (const name of await subgroups(folder)) await removeCgroup(join(folder, name))
  for (let tries = 0; ; tries += 1) {
    try {
      await rmdir(folder)
      return
    } catch (error) {
      // What was killed a moment ago may still be on its way out.
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || tries >= 20) return unlessGone(error)
      await delay(10)
    }
  }
}

/** The cgroups in `parent` whose workers are dead. Only those of this PID namespace: another's pids mean nothing here. */
export async function abandonedCgroups(parent: string): Promise<string[]> {
  const namespace = (await pidNamespace('self')) ?? '0'
  const abandoned: string[] = []
  for (const name of await subgroups(parent)) {
    const [, owned, pid, startTicks] = /^claude-fleet-(\d+)-(\d+)-(\d+)(?:-[0-9a-f]+)?$/.exec(name) ?? []
    if (owned !== namespace || pid === undefined) continue
    if ((await readEntry(Number(pid)))?.startTicks !== startTicks) abandoned.push(join(parent, name))
  }
  return abandoned
}

async function subgroups(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => (unlessGone(error), []))
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

/** ENODEV is what the kernel says of a file in a cgroup that was removed while it was open. */
function unlessGone(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOENT' && code !== 'ENODEV') throw error
}
