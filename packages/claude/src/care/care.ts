import { join } from 'node:path'
import { createOwner, type Owner } from '../process/owner.js'
import { createProcessTable, type ProcessTable } from '../process/process-table.js'
import { makeCage, type Cage, type CareRung } from './cage.js'
import { cgroupName, makeCgroup, removeCgroup } from './cgroup.js'
import { detectCare, type ProcessCareReport } from './detect.js'
import { endLeftovers } from './leftovers.js'
import { startSupervisor, type Supervisor, type SupervisorTimes } from './supervisor.js'

export interface ProcessCareOptions {
  /** PATH in which the tools of util-linux are looked for. */
  path: string
  /** This rung, or an error. Default: the best that the host allows. */
  rung?: CareRung | undefined
  /**
   * A supervisor process ends what this one started when this one dies or is frozen. Default: true; false is for a short
   * life, with the parent-death signal alone.
   */
  supervised?: boolean
  /** Defaults: a beat every second, a silence of 10 s at most. */
  times?: Partial<SupervisorTimes>
  onEvent?: (event: ProcessCareEvent) => void
}

/** What an operator should hear of. */
export type ProcessCareEvent =
  /** At the start: processes of dead workers of this host were ended. */
  | { type: 'leftovers'; pids: number[] }
  /** This process was silent too long, so the supervisor has ended its sessions. */
  | { type: 'silence'; pids: number[] }
  /** The supervisor has died; another is started. */
  | { type: 'supervisor-lost'; why: string }

/** Sees to it that no process of a session outlives it, nor this process. */
export interface ProcessCare {
  readonly report: ProcessCareReport
  readonly owner: Owner
  readonly table: ProcessTable
  /** Undefined where there is none. */
  readonly supervisorPid: number | undefined
  /** A cage for a new session. `wrapped`: the command that is started below what is put before it; undefined: nothing is. */
  cage(wrapped?: readonly string[]): Promise<Cage>
  /** To be called when all sessions are closed: ends the supervisor, which ends what is left. */
  close(): Promise<void>
}

/** 10 s: twice what a worker may stall and go on; less than the 15 s that a lock has left when a worker freezes. */
const TIMES: SupervisorTimes = { beatMs: 1_000, silenceMs: 10_000 }

/**
 * Ends what dead workers of this host have left, chooses how sessions are held together, and starts the supervisor.
 * Rejects when `rung` cannot be had, or the supervisor cannot be started.
 */
export async function createProcessCare(options: ProcessCareOptions): Promise<ProcessCare> {
  const [owner, detected] = await Promise.all([createOwner(), detectCare(options)])
  const { parts, cgroupParent, ...report } = detected
  const tell = options.onEvent ?? (() => undefined)
  const table = createProcessTable()

  const left = await endLeftovers(cgroupParent, table)
  if (left.length > 0) tell({ type: 'leftovers', pids: left })

  const cgroup = cgroupParent === undefined ? undefined : join(cgroupParent, await cgroupName(owner))
  const removeOwn = async () => void (cgroup !== undefined && (await removeCgroup(cgroup).catch(() => undefined)))
  const supervised = options.supervised !== false && report.rung !== 'process'
  let supervisor: Supervisor | undefined
  if (supervised) {
    if (cgroup !== undefined) await makeCgroup(cgroup)
    try {
      const events = {
        onSilence: (pids: number[]) => tell({ type: 'silence', pids }),
        onLost: (why: string) => tell({ type: 'supervisor-lost', why }),
      }
      supervisor = await startSupervisor(owner, cgroup, { ...TIMES, ...options.times }, events)
    } catch (error) {
      await removeOwn()
      throw error
    }
  }
  // Without a supervisor nobody closes a worker's cgroup for it, so its sessions' are beside each other.
  const cgroupPrefix = cgroup === undefined ? undefined : cgroup + (supervised ? '/' : '-')
  return {
    report,
    owner,
    table,
    get supervisorPid() {
      return supervisor?.pid
    },
    cage: (wrapped) => makeCage({ ...parts, cgroupPrefix, wrapped }, owner.mark(), table),
    async close() {
      await supervisor?.close()
      await removeOwn()
    },
  }
}
