import { readFile } from 'node:fs/promises'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Check } from '@claude-fleet/core'

const MIB = 1_024 * 1_024
/** Resident memory of a session at its start, bytes; it grows with the conversation. */
const SESSION_BYTES = 125 * MIB
/** Pipes, sockets and files of one attempt in the worker, and what the worker has besides. */
const FILES_A_SESSION = 16
const FILES_OF_WORKER = 128
/** Threads count as processes: those of claude, of its tools, of their builds. */
const TASKS_A_SESSION = 100
const SESSIONS_A_CORE = 4

/** Does this host, or the container on it, carry as many sessions as the worker may run at once? */
export async function limitChecks({ sessions, spares }: { sessions: number; spares: number }): Promise<Check[]> {
  const [limits, cgroup] = await Promise.all([readText('/proc/self/limits'), readCgroup()])
  const all = sessions + spares
  return [
    memoryCheck(all, Math.min(await availableMemory(), cgroup.memoryFree)),
    countCheck('open-files', softLimit(limits, 'Max open files'), FILES_OF_WORKER + all * FILES_A_SESSION, 'ulimit -n'),
    // The kernel does not hold root to it.
    process.getuid?.() === 0
      ? countCheck('processes', cgroup.tasksFree, all * TASKS_A_SESSION, 'systemd: TasksMax=')
      : countCheck(
          'processes',
          Math.min(softLimit(limits, 'Max processes'), cgroup.tasksFree),
          all * TASKS_A_SESSION,
          'ulimit -u',
        ),
    coresCheck(sessions),
  ]
}

function memoryCheck(sessions: number, free: number): Check {
  const name = 'limits.memory'
  const needed = sessions * SESSION_BYTES
  const found = `${Math.floor(free / MIB)} MB free for ${sessions} sessions, which begin with ${needed / MIB} MB`
  if (free >= needed) return { name, status: 'ok', found }
  const fits = Math.floor(free / SESSION_BYTES)
  if (fits < 1) {
    return {
      name,
      status: 'fail',
      found,
      expected: `${SESSION_BYTES / MIB} MB`,
      fix: 'ps -eo pid,rss,args --sort -rss | head',
    }
  }
  return { name, status: 'warn', found, expected: `${needed / MIB} MB`, fix: `export FLEET_CONCURRENCY=${fits}` }
}

function countCheck(what: string, limit: number, needed: number, command: string): Check {
  const name = `limits.${what}`
  const found = limit === Infinity ? 'unlimited' : String(limit)
  if (limit >= needed) return { name, status: 'ok', found }
  const fix = `${command}${command.endsWith('=') ? '' : ' '}${needed}   # where the worker is started, or lower FLEET_CONCURRENCY`
  return { name, status: 'warn', found, expected: `${needed} or more`, fix }
}

function coresCheck(sessions: number): Check {
  const name = 'limits.cores'
  const cores = availableParallelism()
  const found = `${cores} for ${sessions} sessions`
  if (sessions <= cores * SESSIONS_A_CORE) return { name, status: 'ok', found }
  const fix = `export FLEET_CONCURRENCY=${cores * SESSIONS_A_CORE}   # or fewer`
  return { name, status: 'warn', found, expected: `at most ${SESSIONS_A_CORE} sessions a core`, fix }
}

function softLimit(limits: string | undefined, name: string): number {
  const value = new RegExp(`^${name} +(\\S+)`, 'm').exec(limits ?? '')?.[1]
  return value === undefined || value === 'unlimited' ? Infinity : Number(value)
}

/** What programs may still have, caches that can be dropped included. */
async function availableMemory(): Promise<number> {
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec((await readText('/proc/meminfo')) ?? '')?.[1]
  return kib === undefined ? Math.min(freemem(), totalmem()) : Number(kib) * 1_024
}

/** What the cgroup of this process (a container, a systemd unit) and those above it still allow. */
async function readCgroup(): Promise<{ memoryFree: number; tasksFree: number }> {
  const path = /^0::(\/.*)$/m.exec((await readText('/proc/self/cgroup')) ?? '')?.[1]
  const free = { memoryFree: Infinity, tasksFree: Infinity }
  if (path === undefined) return free
  const parts = path.split('/').filter((part) => part !== '')
  for (let depth = 0; depth <= parts.length; depth += 1) {
    const folder = join('/sys/fs/cgroup', ...parts.slice(0, depth))
    const left = async (what: string): Promise<number> => {
      const [most, used] = await Promise.all([
        readText(join(folder, `${what}.max`)),
        readText(join(folder, `${what}.current`)),
      ])
      return most === undefined || most.trim() === 'max' ? Infinity : Number(most) - Number(used ?? 0)
    }
    const [memory, tasks] = await Promise.all([left('memory'), left('pids')])
    free.memoryFree = Math.min(free.memoryFree, memory)
    free.tasksFree = Math.min(free.tasksFree, tasks)
  }
  return free
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
