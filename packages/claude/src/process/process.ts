import { execa } from 'execa'
import { createLineDecoder } from '../protocol/decoder.js'
import type { ExitFacts } from '../types.js'
import type { Cage } from '../care/cage.js'
import { createSuspension, type Suspension } from './suspension.js'
import { endTree, type TreeTimes } from './tree.js'

/** How a process is started; nothing of this process's own environment is passed on. */
export interface Launch {
  file: string
  args: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
}

export interface ProcessListener {
  line(line: string): void
  stderrLine(line: string): void
  /** A line that was written to stdin. */
  sent?(line: string): void
  /** The decoder refused a line; nothing more of stdout is read. */
  broken(error: unknown): void
}

/** One running process that speaks lines. */
export interface LineProcess {
  readonly pid: number
  readonly exited: Promise<ExitFacts>
  /** Set once it has exited. */
  readonly exit: ExitFacts | undefined
  readonly stderrTail: string
  /** Writes one JSON line to stdin. Does nothing once stdin is closed; that it ended is told by `exited`. */
  send(value: unknown): void
  /** Stops and resumes the reading of stdout: the process waits at a full pipe. */
  pause(): void
  resume(): void
  /** Halts the whole tree, and lets it go on. */
  readonly suspension: Suspension
  /** Ends the whole tree. Resolves when nothing of it lives. Safe to call twice. */
  end(): Promise<void>
}

const STDERR_TAIL_BYTES = 8 * 1024
/** A tool that outlives claude may hold its stdout open; what claude itself wrote is read by then. */
const OUTPUT_GRACE_MS = 250

/** Starts `launch` in its cage. Rejects with the system's error when it cannot be started. */
export async function startProcess(
  launch: Launch,
  listener: ProcessListener,
  options: { cage: Cage; times: TreeTimes; maxLineBytes?: number | undefined },
): Promise<LineProcess> {
  const child = execa(launch.file, [...launch.args], {
    cwd: launch.cwd,
    env: { ...launch.env },
    extendEnv: false,
    // A session of its own: Ctrl-C at the worker's terminal lets its attempts finish, so it must not reach claude.
    detached: true,
    buffer: false,
    reject: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    encoding: 'buffer',
  })
  const { pid } = child
  if (pid === undefined) {
    const failed = await child
    throw failed.cause ?? new Error(failed.shortMessage ?? 'the process did not start')
  }

  options.cage.started(pid)
  const stdout = createLineDecoder(options.maxLineBytes === undefined ? {} : { maxLineBytes: options.maxLineBytes })
  const stderr = createLineDecoder({ maxLineBytes: 1024 * 1024 })
  let tail = Buffer.alloc(0)
  let stderrBroken = false
  let exit: ExitFacts | undefined
  let ending: Promise<void> | undefined

  child.stdout.on('data', (chunk: Buffer) => {
    try {
      for (const line of stdout.push(chunk)) listener.line(line)
    } catch (error) {
      // Without a reader claude would wait at the full pipe for ever: the rest flows away unread.
      child.stdout.removeAllListeners('data')
      child.stdout.resume()
      listener.broken(error)
    }
  })
  child.stderr.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-STDERR_TAIL_BYTES)
    if (stderrBroken) return
    try {
      for (const line of stderr.push(chunk)) listener.stderrLine(line)
    } catch {
      // The tail is kept all the same; the lines of a megabyte without an end are nothing a reader could use.
      stderrBroken = true
    }
  })
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    // EPIPE and the like: the process has ended or is about to, which `exited` tells.
    stream.on('error', () => undefined)
  }

  const exited = new Promise<ExitFacts>((resolve) => {
    child.once('exit', (code, signal) => {
      const finish = (): void => {
        if (exit !== undefined) return
        clearTimeout(grace)
        const last = stdout.end()
        if (last !== undefined) listener.line(last)
        const lastError = stderr.end()
        if (lastError !== undefined) listener.stderrLine(lastError)
        exit = { code, signal, stderrTail: tail.toString('utf8') }
        child.stdout.destroy()
        child.stderr.destroy()
        child.stdin.destroy()
        resolve(exit)
      }
      const grace = setTimeout(finish, OUTPUT_GRACE_MS)
      child.stdout.resume()
      child.once('close', finish)
    })
  })
  const living = (): boolean => child.exitCode === null && child.signalCode === null

  const suspension = createSuspension(async () => (living() ? options.cage.members() : []))

  return {
    pid,
    exited,
    get exit() {
      return exit
    },
    get stderrTail() {
      return tail.toString('utf8')
    },
    send(value) {
      if (!child.stdin.writable) return
      const line = JSON.stringify(value)
      listener.sent?.(line)
      child.stdin.write(`${line}\n`)
    },
    pause: () => void child.stdout.pause(),
    resume: () => void child.stdout.resume(),
    suspension,
    end() {
      // What is halted must not go on, so SIGTERM would wait for nothing.
      const termMs = suspension.halted ? 0 : options.times.termMs
      ending ??= endTree({ pid, living, exited }, options.cage, { ...options.times, termMs })
      return ending
    },
  }
}
