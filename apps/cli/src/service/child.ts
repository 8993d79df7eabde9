import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { FleetError } from '@claude-fleet/core'
import { z } from 'zod'
import type { ReadyMessage, Terminal } from '../terminal.js'

/** A service that runs as a process of its own, below this one. */
export interface ServiceProcess {
  role: string
  pid: number
  ready: ReadyMessage
  /** Resolves with a sentence when the process has ended. */
  ended: Promise<string>
  /** Asks it to finish, waits at most `graceMs`, then ends it. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>
}

const readySchema = z.object({ type: z.literal('ready'), role: z.string(), url: z.string().optional() })

/**
 * Starts `claude-fleet ROLE` and resolves when it says it is ready. Rejects with FleetError `UNAVAILABLE`, with what it
 * wrote on stderr, when it ends before that.
 *
 * The channel between the two is also how the child learns that this process is gone, however it went.
 */
export async function startService(
  role: string,
  terminal: Pick<Terminal, 'nodePath' | 'script'>,
  options: {
    env: Readonly<Record<string, string | undefined>>
    args?: readonly string[]
    onOutput: (line: string) => void
  },
): Promise<ServiceProcess> {
  const child = spawn(terminal.nodePath, [terminal.script, role, ...(options.args ?? [])], {
    env: { ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  forwardLines(child, options.onOutput)
  let lastWords = ''
  child.stderr?.on('data', (chunk: Buffer) => (lastWords = (lastWords + chunk.toString()).slice(-2_000)))
  const ended = once(child, 'close').then(([code, signal]) => `${role} ended with ${String(signal ?? code)}`)
  const ready = new Promise<ReadyMessage>((resolve, reject) => {
    child.on('message', (message) => {
      const parsed = readySchema.safeParse(message)
      if (parsed.success) resolve({ ...parsed.data, url: parsed.data.url })
    })
    child.once('error', reject)
    ended.then((how) => reject(new FleetError('UNAVAILABLE', lastWords.trim() || how)), reject)
  })
  return {
    role,
    pid: child.pid ?? 0,
    ready: await ready,
    ended,
    async stop(graceMs) {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}

function forwardLines(child: ChildProcess, onOutput: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onOutput(line)
    })
    stream?.on('end', () => {
      if (rest !== '') onOutput(rest)
    })
  }
}
