import { randomBytes, randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { readEntry } from './process-table.js'

/**
 * Every process of the fleet carries this variable: `BOOT-ID:PID:START-TICKS:NONCE` of the worker that started it. All
 * that it starts inherits it, unless a daemon empties its environment.
 */
export const OWNER_VARIABLE = 'CLAUDE_FLEET_OWNER'

/** What all processes of one session have inherited, and nothing else has. */
export interface Mark {
  /** The value of OWNER_VARIABLE. */
  value: string
  /** Its last part. */
  nonce: string
  /**
   * The same as a number, for a place that a daemon does not empty: RLIMIT_LOCKS, inherited like any limit, readable of
   * every process, and without any effect since Linux 2.4. From the top: 9 bits that say it is a mark, 22 of the
   * owner's pid, 14 of its start ticks, 18 that are new at each mark.
   */
  limit: bigint
}

/** A process by what a later one with its pid does not have. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTicks: string
}

/** This process as an owner, told apart from any process of another boot or a later one with its pid. */
export interface Owner extends ProcessIdentity {
  readonly boot: string
  mark(): Mark
}

const LIMIT_TAG = 0xb5n
const TICKS_MASK = (1n << 14n) - 1n
const COUNT_MASK = (1n << 18n) - 1n

export async function createOwner(): Promise<Owner> {
  const boot = await bootId()
  const startTicks = (await readEntry(process.pid))?.startTicks ?? '0'
  const base = (((LIMIT_TAG << 22n) | BigInt(process.pid)) << 14n) | (BigInt(startTicks) & TICKS_MASK)
  let count = BigInt(randomInt(Number(COUNT_MASK)))
  return {
    boot,
    pid: process.pid,
    startTicks,
    mark() {
      const nonce = randomBytes(6).toString('hex')
      count += 1n
      const limit = (base << 18n) | (count & COUNT_MASK)
      return { value: `${boot}:${process.pid}:${startTicks}:${nonce}`, nonce, limit }
    },
  }
}

/** What a process says of its owner: by its environment, else by its limit. */
export interface OwnerClaim {
  boot?: string | undefined
  pid: number
  /** Is `startTicks` that of the owner? By a limit this is known in part only: 1 of 16,384 others passes too. */
  startedAt(startTicks: string): boolean
}

/** undefined where neither is a mark of the fleet. */
export function ownerOf(marks: { value?: string | undefined; limit?: bigint | undefined }): OwnerClaim | undefined {
  const [boot, pid, ticks] = marks.value?.split(':') ?? []
  if (pid !== undefined && /^\d+$/.test(pid)) return { boot, pid: Number(pid), startedAt: (other) => other === ticks }
  const { limit } = marks
  if (limit === undefined || limit >> 54n !== LIMIT_TAG) return undefined
  return {
    pid: Number((limit >> 32n) & ((1n << 22n) - 1n)),
    startedAt: (other) => (BigInt(other) & TICKS_MASK) === ((limit >> 18n) & TICKS_MASK),
  }
}

export async function bootId(): Promise<string> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown')
  return id.trim()
}
