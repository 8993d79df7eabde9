import { readFile } from 'node:fs/promises'
import type { Check } from '@claude-fleet/core'
import { SESSION_START_BYTES } from '../host/capacity.js'
import { readHostResources } from '../host/resources.js'

const MIB = 1_024 * 1_024
/** Pipes, sockets and files of one attempt in the worker, and what the worker has besides. */
const FILES_A_SESSION = 16
const FILES_OF_WORKER = 128
/** Threads count as processes: those of claude, of its tools, of their builds. */
const TASKS_A_SESSION = 100
const SESSIONS_A_CORE = 4

/** Does this host, or the container on it, carry as many sessions as the worker may run at once? */
export async function limitChecks({ sessions, spares }: { sessions: number; spares: number }): Promise<Check[]> {
  const [limits, host] = await Promise.all([readText('/proc/self/limits'), readHostResources()])
  const all = sessions + spares
  return [
    memoryCheck(all, host.memoryFree),
    countCheck('open-files', softLimit(limits, 'Max open files'), FILES_OF_WORKER + all * FILES_A_SESSION, 'ulimit -n'),
    // The kernel does not hold root to it.
    process.getuid?.() === 0
      ? countCheck('processes', host.tasksFree, all * TASKS_A_SESSION, 'systemd: TasksMax=')
      : countCheck(
          'processes',
          Math.min(softLimit(limits, 'Max processes'), host.tasksFree),
          all * TASKS_A_SESSION,
          'ulimit -u',
        ),
    coresCheck(sessions, host.cores),
  ]
}

function memoryCheck(sessions: number, free: number): Check {
  const name = 'limits.memory'
  const needed = sessions * SESSION_START_BYTES
  const found = `${Math.floor(free / MIB)} MB free for ${sessions} sessions, which begin with ${needed / MIB} MB`
  if (free >= needed) return { name, status: 'ok', found }
  const fits = Math.floor(free / SESSION_START_BYTES)
  if (fits < 1) {
    return {
      name,
      status: 'fail',
      found,
      expected: `${SESSION_START_BYTES / MIB} MB`,
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

function coresCheck(sessions: number, cores: number): Check {
  const name = 'limits.cores'
  const found = `${cores} for ${sessions} sessions`
  if (sessions <= Math.max(1, cores * SESSIONS_A_CORE)) return { name, status: 'ok', found }
  const fix = `export FLEET_CONCURRENCY=${Math.max(1, Math.floor(cores * SESSIONS_A_CORE))}   # or fewer`
  return { name, status: 'warn', found, expected: `at most ${SESSIONS_A_CORE} sessions a core`, fix }
}

function softLimit(limits: string | undefined, name: string): number {
  const value = new RegExp(`^${name} +(\\S+)`, 'm').exec(limits ?? '')?.[1]
  return value === undefined || value === 'unlimited' ? Infinity : Number(value)
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
