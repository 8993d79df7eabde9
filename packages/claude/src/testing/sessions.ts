import { setImmediate as turnOfLoop } from 'node:timers/promises'
import type { ClaudeSession, ExitFacts, Lease, SessionPool, SessionSpec } from '../types.js'

export const spec: SessionSpec = {
  tenant: 't',
  cwd: '/',
  home: '/',
  credential: 'default',
  env: {},
  permissionMode: 'dontAsk',
  trustWorkspace: false,
}

export const never: AbortSignal = new AbortController().signal

export interface Fakes {
  /** Turns of the event loop that a start, a reset and an end take. */
  steps?: () => number
  fails?: () => boolean
  isCurrent?: () => boolean
  lasts?: () => boolean
  notReusable?: () => string | undefined
  bytes?: () => number
}

/** Sessions that are only counted. `living` are started and not closed, those still starting included. */
export function fakeSessions(options: Fakes = {}) {
  const living = new Set<number>()
  const specs = new Map<number, SessionSpec>()
  const died = new Set<number | undefined>()
  const exits = new Map<number | undefined, (exit: ExitFacts) => void>()
  let pids = 0
  const wait = async (): Promise<void> => {
    for (let left = options.steps?.() ?? 0; left > 0; left -= 1) await turnOfLoop()
  }
  return {
    living,
    specs,
    died,
    die: (pid: number | undefined) => {
      const exit = exits.get(pid)
      if (exit === undefined) return
      died.add(pid)
      exit({ code: 1, signal: null, stderrTail: '' })
    },
    startSession: async (startedFor: SessionSpec, signal: AbortSignal): Promise<ClaudeSession> => {
      pids += 1
      const pid = pids
      living.add(pid)
      specs.set(pid, startedFor)
      await wait()
      if (signal.aborted || options.fails?.() === true) {
        living.delete(pid)
        signal.throwIfAborted()
        throw new Error('it does not start')
      }
      return {
        pid,
        version: '0',
        lasts: options.lasts?.() ?? true,
        exited: new Promise((resolve) => exits.set(pid, resolve)),
        strays: async () => [],
        newRows: async () => [],
        whyNotContinue: async () => (died.has(pid) ? 'it ended' : options.notReusable?.()),
        isCurrent: async () => options.isCurrent?.() ?? true,
        reset: async () => {
          await wait()
          return died.has(pid) ? 'it ended' : options.notReusable?.()
        },
        memoryBytes: async () => options.bytes?.(),
        turn: () => {
          throw new Error('not in this test')
        },
        suspend: async () => {},
        resume: () => {},
        close: async () => {
          await wait()
          living.delete(pid)
        },
      }
    },
  }
}

export const pidOf = (lease: Lease): number => lease.session.pid

/** Resolves when as many unused processes are ready. */
export async function untilSpares(pool: SessionPool, spares: number): Promise<void> {
  while (pool.stats().spares !== spares) await turnOfLoop()
}
