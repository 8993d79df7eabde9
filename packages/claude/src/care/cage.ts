import { OWNER_VARIABLE, type Mark } from '../process/owner.js'
import { readEntry, runs, type ProcessEntry, type ProcessTable } from '../process/process-table.js'
import { cgroupMembers, killCgroup, makeCgroup, removeCgroup } from './cgroup.js'

/**
 * How what claude starts is held together, best first.
 * - `cgroup`: a cgroup of version 2 for each session, ended by `cgroup.kill`.
 * - `namespace`: a PID namespace for each session, whose first process takes all others with it.
 * - `sweep`: SIGKILL to whatever carries the session's mark in its environment or its limits, until nothing does.
 * - `process`: claude's own process alone, which ends its tools on SIGTERM. Where there is no /proc.
 */
export type CareRung = 'cgroup' | 'namespace' | 'sweep' | 'process'

export const CARE_RUNGS: readonly CareRung[] = ['cgroup', 'namespace', 'sweep', 'process']

/** What of the host a cage is built from. */
export interface CageParts {
  rung: CareRung
  /** Begins the path of a session's cgroup; with `cgroup`. */
  cgroupPrefix?: string | undefined
  /** `unshare` and its arguments; with `namespace`. */
  unshare?: readonly string[] | undefined
  /** `setpriv`, where it knows --pdeathsig. */
  setpriv?: string | undefined
  /** A POSIX shell; none where there is no /proc. */
  shell?: string | undefined
  /** Its `ulimit` flag for file locks: `-w` or `-x`. */
  lockFlag?: string | undefined
  /** `oom_score_adj` of what is in a cage. */
  oomScore?: number | undefined
  /** The words that claude's command begins with, where something is put before it that stays: then it is looked for below. */
  wrapped?: readonly string[] | undefined
}

/** All processes of one session, wherever they went. */
export interface Cage {
  readonly mark: Mark
  /** Put before the command. */
  readonly wrapper: readonly string[]
  /** To be told the pid of the started command. */
  started(pid: number): void
  /** The pid of claude itself, to which SIGTERM goes; the started one's unless that stays outside. */
  leader(): Promise<number | undefined>
  /** Pids of all that lives in it, claude first. */
  members(): Promise<number[]>
  /** Pids of what lives in it beside claude and what was put before it. */
  strays(): Promise<number[]>
  /** SIGKILL to all in it. Returns what lived until then: when that is nothing, all of it is gone. */
  strike(): Promise<number[]>
  /** To be called when nothing lives in it. */
  remove(): Promise<void>
}

/** Makes the cage of one session. Throws the system's error where it cannot be made. */
export async function makeCage(parts: CageParts, mark: Mark, table: ProcessTable): Promise<Cage> {
  const folder = parts.cgroupPrefix === undefined ? undefined : parts.cgroupPrefix + mark.nonce
  if (folder !== undefined) await makeCgroup(folder)
  const swept = createSweep(mark, table)
  let root: number | undefined
  const members = () => (folder === undefined ? swept.members() : cgroupMembers(folder))

  /** The started process and what stands between it and claude, which is the last. */
  let found: number[] | undefined
  async function ownLine(): Promise<number[]> {
    if (parts.wrapped === undefined || root === undefined) return unwrappedLine()
    found ??= await lineTo(root, parts.wrapped, table)
    return found ?? unwrappedLine()
  }

  async function unwrappedLine(): Promise<number[]> {
    if (root === undefined || parts.rung !== 'namespace') return root === undefined ? [] : [root]
    // unshare's child is the namespace's first process, claude the first child of that; orphans are its later ones.
    const all = await table.list()
    const first = all.find((entry) => entry.parent === root)
    const children = all.filter((entry) => entry.parent === first?.pid)
    const claude = children.toSorted((a, b) => Number(a.startTicks) - Number(b.startTicks))[0]
    return [root, ...[first, claude].flatMap((entry) => entry?.pid ?? [])]
  }

  return {
    mark,
    wrapper: wrapperOf(parts, mark, folder),
    started(pid) {
      root = pid
      swept.started(pid)
    },
    async leader() {
      const line = await ownLine()
      if (found !== undefined) return found.at(-1)
      return parts.rung === 'namespace' ? line[2] : line[0]
    },
    async members() {
      const [living, own] = await Promise.all([members(), ownLine()])
      return living.toSorted((a, b) => Number(own.includes(b)) - Number(own.includes(a)))
    },
    async strays() {
      const [living, own] = await Promise.all([members(), ownLine()])
      return living.filter((pid) => !own.includes(pid))
    },
    async strike() {
      const living = await members()
      if (folder === undefined) for (const pid of living) kill(pid)
      else if (living.length > 0) await killCgroup(folder)
      return living
    },
    remove: async () => {
      if (folder !== undefined) await removeCgroup(folder)
    },
  }
}

/** The pids from `root` down to the first process that runs this command; undefined while there is none. */
async function lineTo(root: number, command: readonly string[], table: ProcessTable): Promise<number[] | undefined> {
  const all = await table.list()
  for (let lines = [[root]]; lines.length > 0;) {
    for (const line of lines) if (await runs(line.at(-1) ?? 0, command)) return line
    lines = lines.flatMap((line) => all.filter(({ parent }) => parent === line.at(-1)).map(({ pid }) => [...line, pid]))
  }
  return undefined
}

/** Signals a process. False when it has gone, or is not ours to signal. */
export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH' || code === 'EPERM') return false
    throw error
  }
}

/** The environment is built from nothing; these are what a shell adds to it. */
const CLEAN = 'unset PWD OLDPWD SHLVL'

/**
 * The words before the command. Each execs the next, so the pid stays, but for `unshare`, which must wait outside: the
 * shell within is the first process of the namespace, reaps what is orphaned there and passes claude's exit code on.
 */
function wrapperOf(parts: CageParts, mark: Mark, folder: string | undefined): string[] {
  if (parts.shell === undefined) return []
  const namespace = parts.rung === 'namespace' ? (parts.unshare ?? []) : []
  const enter = [
    ...(parts.lockFlag === undefined ? [] : [`ulimit ${parts.lockFlag} "$1"`]),
    // A host that runs out of memory ends claude and its tools before the worker.
    ...(parts.oomScore === undefined ? [] : [`{ echo ${parts.oomScore} >/proc/self/oom_score_adj; } 2>/dev/null`]),
    // Outside its cgroup nothing may start: it could not be ended.
    ...(folder === undefined ? [] : ['echo 0 >"$2/cgroup.procs" || exit 125']),
    'shift 2',
    CLEAN,
    'exec "$@"',
  ].join('; ')
  return [
    ...(parts.setpriv === undefined
      ? []
      : [parts.setpriv, '--pdeathsig', namespace.length === 0 ? 'TERM' : 'KILL', '--']),
    parts.shell,
    '-c',
    enter,
    'sh',
    String(mark.limit),
    folder ?? '',
    ...(namespace.length === 0 ? [] : [...namespace, parts.shell, '-c', `${CLEAN}; "$@"; exit $?`, 'sh']),
  ]
}

/** The tree by marks and by parents: a tool that is root may have lost both marks, and still has a parent. */
function createSweep(mark: Mark, table: ProcessTable) {
  const known = new Map<number, string>()
  const isKnown = (entry: ProcessEntry | undefined): boolean =>
    entry !== undefined && known.get(entry.pid) === entry.startTicks
  let root: Promise<ProcessEntry | undefined> = Promise.resolve(undefined)
  return {
    started(pid: number) {
      // At once: later the pid may be anyone's.
      root = process.platform === 'linux' ? readEntry(pid) : Promise.resolve(undefined)
    },
    async members(): Promise<number[]> {
      const [all, marked, first] = await Promise.all([table.list(), table.marked(OWNER_VARIABLE), root])
      if (first !== undefined) known.set(first.pid, first.startTicks)
      for (const entry of marked) {
        if (entry.value === mark.value || entry.limit === mark.limit) known.set(entry.pid, entry.startTicks)
      }
      const byPid = new Map(all.map((entry) => [entry.pid, entry]))
      // Children are listed after no particular order: go round until no more are found.
      for (let grew = true; grew;) {
        grew = false
        for (const entry of all) {
          if (isKnown(entry) || !isKnown(byPid.get(entry.parent))) continue
          known.set(entry.pid, entry.startTicks)
          grew = true
        }
      }
      // A process may have appeared between the two listings.
      const now = [...all, ...marked.filter((entry) => !byPid.has(entry.pid))]
      return now.filter(isKnown).map((entry) => entry.pid)
    },
  }
}
