import { spawn, type ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** The command line of the checkout. */
export const CLAUDE_FLEET = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'claude-fleet.mjs')

export interface ProcessEnd {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunningProcess extends AsyncDisposable {
  pid: number
  /** Resolves when it has ended and said all it had to say. */
  ended: Promise<ProcessEnd>
  /** The next line of stdout or stderr, also one already written, that matches. Rejects when the process ends without. */
  line(pattern: RegExp): Promise<RegExpExecArray>
  /** Its message over the channel to its parent that passes `check`. Rejects when the process ends without. */
  message<T>(check: (message: unknown) => T | undefined): Promise<T>
  signal(name: NodeJS.Signals): void
  /** SIGTERM, after `graceMs` (default 10,000) SIGKILL. Resolves when it is gone. */
  stop(graceMs?: number): Promise<ProcessEnd>
}

export interface ProcessOptions {
  /** Added to an environment of PATH, HOME, TMPDIR and the run's mark; nothing else of ours is passed on. */
  env?: Record<string, string>
  cwd?: string
  stdin?: string
  /** Put before the command, such as `ip netns exec NAME`; must exec. */
  enter?: readonly string[]
}

/** Runs `node script args...`, such as `claude-fleet api` with `[CLAUDE_FLEET, 'api']`. */
export function startNode(args: readonly string[], options: ProcessOptions = {}): RunningProcess {
  const [program = process.execPath, ...rest] = [...(options.enter ?? []), process.execPath, ...args]
  const child = spawn(program, rest, {
    cwd: options.cwd ?? tmpdir(),
    env: { ...baseEnv(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
  })
  child.stdin?.on('error', () => {}).end(options.stdin ?? '')
  const said = listen(child)
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, ...said.texts() }))
  })
  // Whoever asks for the end gets its failure too; nobody has to.
  ended.catch(() => {})
  const stop = async (graceMs = 10_000) => {
    child.kill('SIGTERM')
    const kill = setTimeout(() => child.kill('SIGKILL'), graceMs)
    return ended.finally(() => clearTimeout(kill))
  }
  return {
    pid: child.pid ?? 0,
    ended,
    line: (pattern) =>
      said.first((one) => (one.line === undefined ? undefined : (pattern.exec(one.line) ?? undefined)), ended),
    message: (check) => said.first((one) => (one.line === undefined ? check(one.message) : undefined), ended),
    signal: (name) => void child.kill(name),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** Runs `node script args...` to its end. */
export function runNode(args: readonly string[], options: ProcessOptions = {}): Promise<ProcessEnd> {
  return startNode(args, options).ended
}

/** PATH, HOME, TMPDIR and the mark of the run: all that a process of a test gets of our environment. */
export function baseEnv(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'CLAUDE_FLEET_TEST_RUN', 'NODE_EXTRA_CA_CERTS']
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}

interface Said {
  line?: string
  message?: unknown
}

/** Keeps what a process says and hands it to those who wait for a part of it. */
function listen(child: ChildProcess) {
  const all: Said[] = []
  const waiters = new Set<(one: Said) => void>()
  const texts = { stdout: '', stderr: '' }
  const hear = (one: Said) => {
    all.push(one)
    for (const waiter of waiters) waiter(one)
  }
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = child[name]
    if (stream === null) continue
    stream.setEncoding('utf8').on('data', (text: string) => (texts[name] += text))
    createInterface({ input: stream }).on('line', (line) => hear({ line }))
  }
  child.on('message', (message) => hear({ message }))
  return {
    texts: () => texts,
    first<T>(pick: (one: Said) => T | undefined, ended: Promise<ProcessEnd>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        const look = (one: Said) => {
          const found = pick(one)
          if (found === undefined) return
          waiters.delete(look)
          resolve(found)
        }
        waiters.add(look)
        all.forEach(look)
        ended.then(
          ({ code, signal, stderr }) => reject(new Error(`it ended first (${signal ?? code}): ${stderr}`)),
          reject,
        )
      })
    },
  }
}
