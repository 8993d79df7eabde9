import { spawn, spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { baseEnv } from './service.js'

/** Is there util-linux's `script`, which gives a command a terminal? Debian always has it; BSD's takes other options. */
export const HAS_TERMINAL = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux')

export interface TerminalProcess extends AsyncDisposable {
  /** Resolves to the exit code and all that the terminal was sent. */
  ended: Promise<{ code: number | null; output: string }>
  /** Resolves when what it was sent so far has this in it. Rejects when the process ends without. */
  sees(pattern: RegExp): Promise<void>
  /** Presses keys: `\u0003` is Ctrl-C. */
  type(keys: string): void
}

/** Runs a shell's command line in a terminal of its own, `columns` wide. stdin, stdout and stderr are the terminal. */
export function startInTerminal(
  command: string,
  { env = {}, columns = 80 }: { env?: Record<string, string>; columns?: number } = {},
): TerminalProcess {
  const child = spawn('script', ['-qefc', `stty rows 24 cols ${columns}; ${command}`, '/dev/null'], {
    cwd: tmpdir(),
    env: { ...baseEnv(), TERM: 'xterm', SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  const waiters = new Set<() => void>()
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    for (const waiter of waiters) waiter()
  })
  const ended = new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
  ended.catch(() => {})
  return {
    ended,
    sees: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(output)) return
          waiters.delete(look)
          resolve()
        }
        waiters.add(look)
        look()
        ended.then(() => reject(new Error(`it ended without ${pattern}: ${JSON.stringify(output)}`)), reject)
      }),
    type: (keys) => void child.stdin.write(keys),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const kill = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended.finally(() => clearTimeout(kill))
    },
  }
}

/** The rows a person has before them in the end: what a carriage return or a cleared row took away is gone. */
export function screen(output: string): string[] {
  const rows = output.replaceAll('\r\n', '\n').split('\n')
  return rows.map((row) => row.split('\r\u001b[K').at(-1) ?? '').map((row) => row.trimEnd())
}

/** A word of a shell's command line. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
