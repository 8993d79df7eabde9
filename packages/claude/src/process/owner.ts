import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createProcessTable, readEntry, type ProcessTable } from './process-table.js'

/**
 * Every process of the fleet carries this variable: `BOOT-ID:PID:START-TICKS:NONCE` of the worker that started it. All
 * that it starts inherits it, daemons too.
 */
export const OWNER_VARIABLE = 'CLAUDE_FLEET_OWNER'

/** This process as an owner, told apart from any process of another boot or a later one with its pid. */
export interface Owner {
  readonly pid: number
  readonly startTicks: string
  /** A new value for OWNER_VARIABLE, and its last part. */
  mark(): { value: string; nonce: string }
}

export async function createOwner(): Promise<Owner> {
  const boot = await bootId()
  const startTicks = (await readEntry(process.pid))?.startTicks ?? '0'
  return {
    pid: process.pid,
    startTicks,
    mark() {
      const nonce = randomBytes(6).toString('hex')
      return { value: `${boot}:${process.pid}:${startTicks}:${nonce}`, nonce }
    },
  }
}

/**
 * Ends processes of this host whose owner is dead: what a killed worker could not end itself. Returns their pids.
 * For the start of a worker; Linux only, elsewhere it finds none.
 */
export async function endOrphans(table: ProcessTable = createProcessTable()): Promise<number[]> {
  const boot = await bootId()
  const ended = new Set<number>()
  for (let round = 0; round < 20; round += 1) {
    const orphans: number[] = []
    for (const { process: entry, value } of await table.environmentValues(OWNER_VARIABLE)) {
      const [ownerBoot, pid, startTicks] = value.split(':')
      if (ownerBoot !== boot || pid === undefined || !/^\d+$/.test(pid)) continue
      if ((await readEntry(Number(pid)))?.startTicks !== startTicks) orphans.push(entry.pid)
    }
    if (orphans.length === 0) break
    for (const pid of orphans) {
      try {
        process.kill(pid, 'SIGKILL')
        ended.add(pid)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
    await delay(50)
  }
  return [...ended]
}

async function bootId(): Promise<string> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown')
  return id.trim()
}
