import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/**
 * A time in which a process ran without a break, ms since the epoch, off by at most the witness's period. Halted
 * (SIGSTOP), ended by SIGKILL and zombie do not count: none does any work.
 */
export interface Span {
  from: number
  to: number
}

/** Watches processes from outside, so that what is said of them does not rest on what the fleet says. */
export interface Witness {
  watch(pid: number): void
  ran(pid: number): readonly Span[]
  isRunning(pid: number): boolean
  close(): void
}

const PERIOD_MS = 20
/** Of the flags of a process (include/linux/sched.h), and of the signals that wait for it: 9 is bit 8. */
const PF_EXITING = 0x4
const PENDING_SIGKILL = 0x100

export function createWitness(): Witness {
  const seen = new Map<number, { startedAt: string; spans: Span[]; runs: boolean; gone: boolean }>()

  function look(): void {
    const now = Date.now()
    for (const [pid, entry] of seen) {
      if (entry.gone) continue
      const stat = statOf(pid)
      // A number that was given to another process since is not the one that is watched.
      if (stat === undefined || stat.startedAt !== entry.startedAt) entry.gone = true
      else {
        const last = entry.spans.at(-1)
        if (stat.runs && (!entry.runs || last === undefined)) entry.spans.push({ from: now, to: now })
        else if (stat.runs && last !== undefined) last.to = now
        entry.runs = stat.runs
      }
    }
  }
  const timer = setInterval(look, PERIOD_MS)

  return {
    watch(pid) {
      if (seen.has(pid)) return
      const stat = statOf(pid)
      const now = Date.now()
      seen.set(pid, {
        startedAt: stat?.startedAt ?? '',
        spans: [{ from: now, to: now }],
        runs: true,
        gone: stat === undefined,
      })
    },
    ran: (pid) => seen.get(pid)?.spans ?? [],
    isRunning(pid) {
      look()
      const entry = seen.get(pid)
      return entry !== undefined && !entry.gone && statOf(pid)?.runs === true
    },
    close: () => clearInterval(timer),
  }
}

/**
 * The number that a process has here, of one that is `pid` in the PID namespace `space`. Undefined when it is gone, for
 * then nobody can tell.
 */
export function pidHere(pid: number, space: string): number | undefined {
  if (space === '' || space === linkOf('self', 'ns/pid')) return pid
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && linkOf(name, 'ns/pid') === space)
    .map(Number)
    .find((found) => Number(/^NSpid:.*\s(\d+)$/m.exec(read(found, 'status'))?.[1]) === pid)
}

/** The live processes whose arguments, environment or working folder name `mark`. Needs /proc. */
export function processesNaming(mark: string): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return pids.filter((pid) => {
    if (pid === process.pid || statOf(pid)?.zombie !== false) return false
    return ['cmdline', 'environ', 'cwd'].some((name) => read(pid, name).includes(mark))
  })
}

function read(pid: number, name: string): string {
  try {
    return name === 'cwd' ? linkOf(String(pid), 'cwd') : readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}

function linkOf(process: string, name: string): string {
  try {
    return readlinkSync(`/proc/${process}/${name}`)
  } catch {
    return ''
  }
}

function statOf(pid: number): { startedAt: string; runs: boolean; zombie: boolean } | undefined {
  const text = read(pid, 'stat')
  if (text === '') return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const state = fields[0] ?? ''
  // proc(5). One that was halted and gets SIGKILL is runnable until the kernel is done with it, on a busy host for long.
  const isDying = (Number(fields[6]) & PF_EXITING) !== 0 || (Number(fields[28]) & PENDING_SIGKILL) !== 0
  return { startedAt: fields[19] ?? '', runs: !isDying && !/^[ZXTt]/.test(state), zombie: /^[ZX]/.test(state) }
}
