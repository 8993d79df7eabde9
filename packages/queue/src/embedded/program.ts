import { execFile } from 'node:child_process'

export interface ProgramRun {
  ok: boolean
  stdout: string
  /** What it said on stderr, or why it could not run. */
  stderr: string
}

export interface ProgramOptions {
  cwd?: string
  /** Default: this process's. */
  env?: Record<string, string>
  signal?: AbortSignal | undefined
  /** ms, then SIGKILL. Default 10,000. */
  timeoutMs?: number
}

/** Runs a short program to its end and never rejects, but for an abort. Up to 8 MiB of output. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramRun> {
  const { timeoutMs = 10_000, ...rest } = options
  return new Promise((resolve, reject) => {
    const settings = { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 8_388_608 } as const
    const child = execFile(command, args, settings, (error, stdout, stderr) => {
      if (options.signal?.aborted) reject(options.signal.reason)
      else resolve({ ok: error === null, stdout, stderr: stderr || (error?.message ?? '') })
    })
    child.stdin?.end()
  })
}

/** The absolute path of the first of `names` that is on PATH (or on `path`). Undefined: none. */
export async function findProgram(names: readonly string[], path?: string): Promise<string | undefined> {
  const search = 'for name; do command -v "$name" && exit 0; done; exit 1'
  const run = await runProgram(
    '/bin/sh',
    ['-c', search, 'sh', ...names],
    path === undefined ? {} : { env: { PATH: path } },
  )
  const found = run.stdout.trim()
  return run.ok && found.startsWith('/') ? found : undefined
}
