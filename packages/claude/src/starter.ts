import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClaudeBinary } from './launch/binary.js'
import type { StartSession } from './pool/pool.js'
import { createOwner } from './process/owner.js'
import { startSession, type SessionTimes } from './session/session.js'

export interface SessionStarterOptions {
  claude: Pick<ClaudeBinary, 'file' | 'args'>
  /** PATH of claude and its tools. */
  path: string
  /** TZ of claude and its tools; the host's own when left out. */
  timeZone?: string
  /** Put before the command; must exec. Default: `setpriv --pdeathsig TERM --` where util-linux has it. */
  spawnWrapper?: readonly string[]
  /** Defaults: startup 30 s, interrupt 2 s, term 3 s, kill 10 s. */
  times?: Partial<SessionTimes>
  /** Longest line of claude's stdout, bytes; 64 MiB unless set. A line holds a whole answer. */
  maxLineBytes?: number
  /** Longest answer of a turn, bytes of UTF-8; 16 MiB unless set. */
  maxOutputBytes?: number
  /** Longest output of one tool result in a message, bytes of UTF-8; 64 KiB unless set. */
  toolOutputBytes?: number
}

const KIB = 1024
const MIB = 1024 * KIB

const TIMES: SessionTimes = { startupMs: 30_000, interruptMs: 2_000, termMs: 3_000, killMs: 10_000 }

/** Makes the `startSession` of a pool from the real claude. */
export async function createSessionStarter(options: SessionStarterOptions): Promise<StartSession> {
  const deps = {
    owner: await createOwner(),
    claude: options.claude,
    path: options.path,
    timeZone: options.timeZone,
    spawnWrapper: options.spawnWrapper ?? (await parentDeathWrapper(options.path)),
    times: { ...TIMES, ...options.times },
    maxLineBytes: options.maxLineBytes ?? 64 * MIB,
    maxOutputBytes: options.maxOutputBytes ?? 16 * MIB,
    toolOutputBytes: options.toolOutputBytes ?? 64 * KIB,
  }
  return (spec, signal) => startSession(spec, signal, deps)
}

/**
 * `setpriv --pdeathsig TERM --` (util-linux): the kernel sends SIGTERM to claude when its parent dies, however it does;
 * claude then ends its tools. Measured: gone 0.2 s after kill -9 of the parent. Without it claude goes on to the end of
 * its turn. Empty where there is none.
 */
async function parentDeathWrapper(path: string): Promise<readonly string[]> {
  if (process.platform !== 'linux') return []
  for (const folder of path.split(':')) {
    const file = join(folder, 'setpriv')
    const usable = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return [file, '--pdeathsig', 'TERM', '--']
  }
  return []
}
