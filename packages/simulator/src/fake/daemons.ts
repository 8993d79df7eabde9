import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { pidSpace } from './pid-space.js'

export type DaemonKind = 'child' | 'setsid' | 'orphan' | 'hidden'

/** Seconds after which a daemon ends by itself, should nobody end it. */
const LIFE_SECONDS = 300

/**
 * Starts four processes of the kinds that outlive a careless owner: `child` (its process group, its stdout), `setsid` (a
 * session of its own), `orphan` (started twice, so that its parent is gone) and `hidden` (an orphan with nothing in its
 * environment, in `/`). `stubborn`: they ignore SIGTERM. Their pids are appended to `file`, one JSON line each.
 */
export async function startDaemons(how: 'polite' | 'stubborn', file: string | undefined): Promise<void> {
  const trap = how === 'stubborn' ? "trap '' TERM; " : ''
  const sleep = `${trap}exec sleep ${LIFE_SECONDS}`
  // The same path in every environment: the hidden one has none.
  const shell = '/bin/sh'
  const twice = `(${sleep}) </dev/null >/dev/null 2>&1 & echo $!`
  const space = pidSpace()
  const write = (kind: DaemonKind, pid: number | undefined) => {
    if (file !== undefined) appendFileSync(file, `${JSON.stringify({ kind, pid, space })}\n`)
  }
  write('child', spawn(shell, ['-c', sleep], { stdio: ['ignore', 'inherit', 'ignore'] }).pid)
  const setsid = spawn(shell, ['-c', sleep], { stdio: 'ignore', detached: true })
  setsid.unref()
  write('setsid', setsid.pid)
  for (const kind of ['orphan', 'hidden'] as const) {
    const hiding = kind === 'hidden' ? { env: {}, cwd: '/' } : {}
    const parent = spawn(shell, ['-c', twice], { stdio: ['ignore', 'pipe', 'ignore'], detached: true, ...hiding })
    write(kind, Number(await text(parent.stdout)))
  }
}
