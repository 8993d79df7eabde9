import { setTimeout as delay } from 'node:timers/promises'
import { bootId, OWNER_VARIABLE, ownerOf, type OwnerClaim, type ProcessIdentity } from '../process/owner.js'
import {
  createProcessTable,
  pidNamespace,
  readEntry,
  type MarkedProcess,
  type ProcessTable,
} from '../process/process-table.js'
import { kill } from './cage.js'
import { abandonedCgroups, cgroupMembers, killCgroup, removeCgroup } from './cgroup.js'

/** Longest time that ending goes on, ms. What still lives then cannot be ended: it hangs in the kernel, or is not ours. */
const PATIENCE_MS = 5_000

/**
 * Ends processes of this host whose owner is dead: what a killed worker could not end itself. Returns their pids. For
 * the start of a worker; `parent` is the cgroup that workers make theirs in.
 */
export async function endLeftovers(parent?: string, table: ProcessTable = createProcessTable()): Promise<number[]> {
  const ended = new Set<number>()
  for (const folder of parent === undefined ? [] : await abandonedCgroups(parent)) {
    for (const pid of await endCgroup(folder)) ended.add(pid)
    // Another worker that starts now removes it too, and one that still dies keeps it: then the next start does it.
    await removeCgroup(folder).catch(() => undefined)
  }
  const boot = await bootId()
  const isOrphan = async (claim: OwnerClaim): Promise<boolean> => {
    if (claim.boot !== undefined && claim.boot !== boot) return false
    const owner = await readEntry(claim.pid)
    return owner === undefined || !claim.startedAt(owner.startTicks)
  }
  for (const pid of await endMarked(table, isOrphan)) ended.add(pid)
  return [...ended]
}

/** Ends all that a worker started, whether it lives or not. Returns the pids. For its supervisor. */
export async function endOwned(owner: ProcessIdentity & { boot: string }, cgroup?: string): Promise<number[]> {
  const inCgroup = cgroup === undefined ? [] : await endCgroup(cgroup)
  const isOwned = async (claim: OwnerClaim): Promise<boolean> =>
    claim.pid === owner.pid &&
    claim.startedAt(owner.startTicks) &&
    (claim.boot === undefined || claim.boot === owner.boot)
  return [...new Set([...inCgroup, ...(await endMarked(createProcessTable(), isOwned))])]
}

async function endCgroup(folder: string): Promise<number[]> {
  const ended = new Set<number>()
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const living = await cgroupMembers(folder)
    if (living.length === 0 || performance.now() > deadline) return [...ended]
    await killCgroup(folder)
    for (const pid of living) ended.add(pid)
    await delay(10)
  }
}

async function endMarked(table: ProcessTable, belongs: (claim: OwnerClaim) => Promise<boolean>): Promise<number[]> {
  const ended = new Set<number>()
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const found: MarkedProcess[] = []
    for (const entry of await table.marked(OWNER_VARIABLE)) {
      const claim = ownerOf(entry)
      if (claim !== undefined && (await belongs(claim)) && (await isOfThisNamespace(entry.pid))) found.push(entry)
    }
    if (found.length === 0 || performance.now() > deadline) return [...ended]
    let sent = 0
    for (const { pid } of found) {
      if (!kill(pid)) continue
      ended.add(pid)
      sent += 1
    }
    // What is left is not ours to end: that of another user's worker.
    if (sent === 0) return [...ended]
    await delay(20)
  }
}

/**
 * A pid in a mark means a process of the PID namespace in which the mark was made: seen from the host, the owner of a
 * container's claude is some other process, or none. What lives in the namespace of a session of ours ends with the
 * `unshare` that holds it, which is in ours.
 */
async function isOfThisNamespace(pid: number): Promise<boolean> {
  const [own, other] = await Promise.all([pidNamespace('self'), pidNamespace(pid)])
  return own === other
}
