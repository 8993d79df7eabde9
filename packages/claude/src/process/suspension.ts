import { setTimeout as delay } from 'node:timers/promises'
import { isRunning } from './process-table.js'

/** Halts the processes of a session and lets them go on. */
export interface Suspension {
  readonly halted: boolean
  /** SIGSTOP to all of them. Resolves when none runs. */
  suspend(): Promise<void>
  /** SIGCONT to those that were halted. */
  resume(): void
}

/** `members` are the pids of all processes of a session, claude first. */
export function createSuspension(members: () => Promise<readonly number[]>): Suspension {
  const stopped = new Set<number>()
  let halted = false

  async function suspend(): Promise<void> {
    halted = true
    // What a member started while the others were being halted is found in the next round.
    for (let grew = true; grew;) {
      const pids = (await members()).filter((pid) => !stopped.has(pid))
      // Resumed meanwhile.
      if (!halted) return
      for (const pid of pids) if (signal(pid, 'SIGSTOP')) stopped.add(pid)
      grew = pids.some((pid) => stopped.has(pid))
    }
    // The signal is on its way: a process halts when it next comes out of the kernel.
    for (const pid of stopped) while (stopped.has(pid) && (await isRunning(pid))) await delay(1)
  }

  return {
    get halted() {
      return halted
    },
    suspend,
    resume() {
      halted = false
      for (const pid of [...stopped].toReversed()) signal(pid, 'SIGCONT')
      stopped.clear()
    },
  }
}

/** False when the process has gone, or is not ours to signal. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH' || code === 'EPERM') return false
    throw error
  }
}
