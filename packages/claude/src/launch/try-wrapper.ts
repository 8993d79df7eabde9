import { FleetError } from '@claude-fleet/core'
import { execa } from 'execa'

/**
 * Starts `claude --version` behind the words of a wrapper and resolves when it has said one. `env` is its whole environment.
 * Rejects with FleetError `SPAWN_FAILED` and what the wrapper said: no job could be run with it. Default: 30 s.
 */
export async function tryWrapper(
  words: readonly string[],
  claude: { file: string; args: readonly string[] },
  { env, cwd, timeoutMs = 30_000 }: { env: Readonly<Record<string, string>>; cwd: string; timeoutMs?: number },
): Promise<void> {
  const [file, ...args] = [...words, claude.file, ...claude.args, '--version']
  const ran = await execa(file, args, {
    cwd,
    env: { ...env },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: timeoutMs,
    forceKillAfterDelay: 1_000,
    maxBuffer: 65_536,
  })
  if (ran.exitCode === 0 && /\d+\.\d+\.\d+/.test(ran.stdout)) return
  const said = ran.stderr.trim().split('\n').at(-1) ?? ''
  const why = ran.timedOut
    ? `said nothing in ${timeoutMs} ms`
    : said || ran.originalMessage || `exit code ${ran.exitCode}`
  throw new FleetError('SPAWN_FAILED', why.slice(0, 300))
}
