import { findProgram, runProgram } from './program.js'

/** How a server learns of its parent's death. */
export type LifelineKind = 'pdeathsig' | 'pipe'

/** Starts only while its parent is still the one that asked, then becomes the program. */
const WITH_PARENT = '[ "$PPID" = "$0" ] && exec "$@"'
/**
 * Descriptor 3 is a pipe whose other end only the parent holds: it ends when the parent does, however that comes. The
 * watcher is a child of the server and never outlives the pipe. macOS and others have nothing of the kernel's for this.
 */
const WITH_PIPE = '(read -r _ <&3 || kill -KILL $$) </dev/null >/dev/null 2>&1 & exec "$@" 3<&-'

/**
 * The command that runs `program` so that it cannot outlive this process, even when this is killed with SIGKILL: by
 * the kernel (Linux `PR_SET_PDEATHSIG`, through setpriv), else by a watcher at a pipe that the caller gives as
 * descriptor 3. The process started becomes the program itself: its pid and signals are the program's.
 *
 * The signal is SIGKILL: nothing that Redis has acknowledged is lost by it, and a stuck server obeys it.
 */
export async function dieWithParent(
  program: readonly string[],
  path?: string,
): Promise<{ command: string; args: string[]; kind: LifelineKind }> {
  const setpriv = await findProgram(['setpriv'], path)
  // BusyBox has a setpriv without this option.
  if (setpriv !== undefined && (await runProgram(setpriv, ['--pdeathsig', 'KILL', '/bin/sh', '-c', ':'])).ok) {
    const args = ['--pdeathsig', 'KILL', '/bin/sh', '-c', WITH_PARENT, String(process.pid), ...program]
    return { command: setpriv, args, kind: 'pdeathsig' }
  }
  return { command: '/bin/sh', args: ['-c', WITH_PIPE, 'sh', ...program], kind: 'pipe' }
}
