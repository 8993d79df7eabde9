import { setTimeout as delay } from 'node:timers/promises'
import { FleetError } from '@claude-fleet/core'
import type { ProcessEntry, ProcessTable } from './process-table.js'

export interface TreeRoot {
  pid: number
  /** False once the system has told its end: from then on the pid may be anyone's. */
  living(): boolean
  /** Resolves when the root process itself has ended. */
  exited: Promise<unknown>
  /** `NAME=value` that every process started below the root has inherited. */
  mark: string
}

export interface TreeTimes {
  /** From SIGTERM to SIGKILL, ms. Claude ends its tools itself in up to 1.5 s (measured). */
  termMs: number
  /** From SIGKILL until it is an error that something still lives, ms. */
  killMs: number
}

/**
 * Ends a process and everything it started: SIGTERM to the root, which ends its own tools in order; then SIGKILL to
 * whatever of the tree still lives. Resolves when nothing does, and rejects with FleetError `INTERNAL` if that cannot be
 * had; it never resolves early.
 *
 * Every Bash tool has its own session and process group, so groups do not reach it. The tree is found by parents,
 * before and after (a dead parent's children are nobody's), and by the mark in the environment, which daemons keep.
 */
export async function endTree(root: TreeRoot, table: ProcessTable, times: TreeTimes): Promise<void> {
  const known = new Map<number, ProcessEntry>()
  await addTree(root, table, known)
  if (root.living()) signal(root.pid, 'SIGTERM')
  if (!(await settledWithin(root.exited, times.termMs))) {
    await addTree(root, table, known)
    if (root.living()) signal(root.pid, 'SIGKILL')
  }
  const deadline = performance.now() + times.killMs
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const living = await addTree(root, table, known)
    if (living.length === 0 && (await settledWithin(root.exited, pauseMs))) return
    for (const entry of living) signal(entry.pid, 'SIGKILL')
    if (performance.now() > deadline) {
      const pids = living.map((entry) => entry.pid)
      throw new FleetError('INTERNAL', 'processes that claude started cannot be ended', { details: { pids } })
    }
    await delay(pauseMs)
  }
}

/** Pids of what now belongs to the tree, the root aside. */
export async function membersOf(root: Omit<TreeRoot, 'exited'>, table: ProcessTable): Promise<number[]> {
  return (await addTree(root, table, new Map())).map((entry) => entry.pid)
}

/** Adds what now belongs to the tree and returns the members that live, the root aside. */
async function addTree(
  root: Omit<TreeRoot, 'exited'>,
  table: ProcessTable,
  known: Map<number, ProcessEntry>,
): Promise<ProcessEntry[]> {
  const [all, marked] = await Promise.all([table.list(), table.withEnvironment(root.mark)])
  for (const entry of marked) known.set(entry.pid, entry)
  const byPid = new Map(all.map((entry) => [entry.pid, entry]))
  const isMember = (pid: number): boolean => {
    const entry = byPid.get(pid)
    return entry !== undefined && known.get(pid)?.startTicks === entry.startTicks
  }
  // Children are listed after no particular order: go round until no more are found.
  for (let grew = true; grew;) {
    grew = false
    for (const entry of all) {
      if (isMember(entry.pid) || !((root.living() && entry.parent === root.pid) || isMember(entry.parent))) continue
      known.set(entry.pid, entry)
      grew = true
    }
  }
  return all.filter((entry) => !(root.living() && entry.pid === root.pid) && isMember(entry.pid))
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const ended = promise.then(
    () => true,
    () => true,
  )
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false)
  const settled = await Promise.race([ended, late])
  timer.abort()
  return settled
}
