import { createProcessCare, type ProcessCare } from './care/care.js'
import type { ClaudeBinary } from './launch/binary.js'
import type { SpawnWrapper } from './launch/launch.js'
import type { StartSession } from './pool/pool.js'
import { startSession, type SessionTimes } from './session/session.js'

export interface SessionStarterOptions {
  claude: Pick<ClaudeBinary, 'file' | 'args'>
  /** PATH of claude and its tools. */
  path: string
  /** TZ of claude and its tools; the host's own when left out. */
  timeZone?: string
  /** How its processes are ended. Default: the best the host allows, with no supervisor for the death of this process. */
  care?: ProcessCare
  /** Put before the command. Default: nothing. */
  spawnWrapper?: SpawnWrapper | undefined
  /** Defaults: startup 30 s, interrupt 2 s, reset 5 s, term 3 s, kill 10 s. */
  times?: Partial<SessionTimes>
  /** Longest line of claude's stdout, bytes; 64 MiB unless set. A line holds a whole answer. */
  maxLineBytes?: number
  /** Longest answer of a turn, bytes of UTF-8; 16 MiB unless set. */
  maxOutputBytes?: number
  /** Longest output of one tool result in a message, bytes of UTF-8; 64 KiB unless set. */
  toolOutputBytes?: number
  /** Give what is said while the process starts to the trace of its first turn. Default: false. */
  traceStart?: boolean
}

const KIB = 1024
const MIB = 1024 * KIB

const TIMES: SessionTimes = { startupMs: 30_000, interruptMs: 2_000, resetMs: 5_000, termMs: 3_000, killMs: 10_000 }

/** Makes the `startSession` of a pool from the real claude. */
export async function createSessionStarter(options: SessionStarterOptions): Promise<StartSession> {
  const deps = {
    care: options.care ?? (await createProcessCare({ path: options.path, supervised: false })),
    claude: options.claude,
    path: options.path,
    timeZone: options.timeZone,
    spawnWrapper: options.spawnWrapper ?? (() => []),
    isWrapped: options.spawnWrapper !== undefined,
    times: { ...TIMES, ...options.times },
    maxLineBytes: options.maxLineBytes ?? 64 * MIB,
    maxOutputBytes: options.maxOutputBytes ?? 16 * MIB,
    toolOutputBytes: options.toolOutputBytes ?? 64 * KIB,
    traceStart: options.traceStart ?? false,
  }
  return (spec, signal) => startSession(spec, signal, deps)
}
