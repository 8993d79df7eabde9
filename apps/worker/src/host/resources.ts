import { readFile } from 'node:fs/promises'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { join } from 'node:path'

/** What this host, or the container or unit this process is in, still has to give. */
export interface HostResources {
  /** CPUs it may use at one time; a quota may leave a part of one. More than 0. */
  cores: number
  /** Memory that more processes may take, bytes; caches that can be dropped count as free. */
  memoryFree: number
  /** Processes and threads that may be added; Infinity where nothing says. */
  tasksFree: number
}

/** Where the files of the system are, for tests. */
export interface SystemFiles {
  proc: string
  cgroup: string
}

const SYSTEM: SystemFiles = { proc: '/proc', cgroup: '/sys/fs/cgroup' }

/** The least of what the host has free and what the cgroups of this process, of version 1 and 2, allow. Never rejects. */
export async function readHostResources(files: SystemFiles = SYSTEM): Promise<HostResources> {
  const [memory, allowed] = await Promise.all([availableMemory(files), cgroupsAllow(files)])
  return {
    cores: Math.min(availableParallelism(), allowed.cores),
    memoryFree: Math.max(0, Math.min(memory, allowed.memoryFree)),
    tasksFree: allowed.tasksFree,
  }
}

async function availableMemory({ proc }: SystemFiles): Promise<number> {
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec((await readText(join(proc, 'meminfo'))) ?? '')?.[1]
  return kib === undefined ? Math.min(freemem(), totalmem()) : Number(kib) * 1_024
}

/** A limit holds for all that is below it, so each folder from the root to this process is asked. */
async function cgroupsAllow(files: SystemFiles): Promise<HostResources> {
  const listed = (await readText(join(files.proc, 'self', 'cgroup'))) ?? ''
  const found = listed.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) return []
    // In a container the path may be the host's, which is not to be seen; the container's own is then the root.
    const parts = path.split('/').filter((part) => part !== '')
    const folders = parts.map((_, depth) => join(...parts.slice(0, depth + 1)))
    const root = join(files.cgroup, controllers)
    return [{ controllers: controllers.split(','), folders: [root, ...folders.map((folder) => join(root, folder))] }]
  })
  const limits = await Promise.all(
    found.flatMap(({ controllers, folders }) =>
      folders.map((folder) => (controllers[0] === '' ? readUnified(folder) : readLegacy(controllers, folder))),
    ),
  )
  return {
    cores: Math.min(Infinity, ...limits.map(({ cores }) => cores)),
    memoryFree: Math.min(Infinity, ...limits.map(({ memoryFree }) => memoryFree)),
    tasksFree: Math.min(Infinity, ...limits.map(({ tasksFree }) => tasksFree)),
  }
}

async function readUnified(folder: string): Promise<HostResources> {
  const [memory, used, stat, tasks, tasksUsed, cpu] = await Promise.all(
    ['memory.max', 'memory.current', 'memory.stat', 'pids.max', 'pids.current', 'cpu.max'].map((name) =>
      readText(join(folder, name)),
    ),
  )
  const [quota, period] = (cpu ?? '').split(/\s+/)
  return {
    memoryFree: numberOf(memory) - (numberOf(used, 0) - droppable(stat, 'inactive_file')),
    tasksFree: numberOf(tasks) - numberOf(tasksUsed, 0),
    cores: numberOf(quota) / numberOf(period, 100_000),
  }
}

async function readLegacy(controllers: readonly string[], folder: string): Promise<HostResources> {
  const read = async (controller: string, name: string): Promise<string | undefined> =>
    controllers.includes(controller) ? readText(join(folder, name)) : undefined
  const [memory, used, stat, tasks, tasksUsed, quota, period] = await Promise.all([
    read('memory', 'memory.limit_in_bytes'),
    read('memory', 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('pids', 'pids.max'),
    read('pids', 'pids.current'),
    read('cpu', 'cpu.cfs_quota_us'),
    read('cpu', 'cpu.cfs_period_us'),
  ])
  return {
    memoryFree: numberOf(memory) - (numberOf(used, 0) - droppable(stat, 'total_inactive_file')),
    tasksFree: numberOf(tasks) - numberOf(tasksUsed, 0),
    // -1: no quota.
    cores: quota?.trim() === '-1' ? Infinity : numberOf(quota) / numberOf(period, 100_000),
  }
}

/** File cache that the kernel gives up before it ends a process. */
function droppable(stat: string | undefined, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(stat ?? '')?.[1] ?? 0)
}

function numberOf(text: string | undefined, missing = Infinity): number {
  const value = Number(text?.trim() || Number.NaN)
  return Number.isNaN(value) ? missing : value
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
