import type { Job } from '@claude-fleet/client'
import type { StreamEvent } from '@claude-fleet/core'
import { connectClient } from '../connect.js'
import { EXIT, exitCodeOfJobError } from '../exit-code.js'
import { say, type Terminal } from '../terminal.js'
import { jobInput, type JobFlags } from './options.js'
import { createPrinter, type Printer } from './printer.js'
import { readPrompt } from './prompt.js'

/**
 * `run`: enqueues a job and follows it to its end, its text on stdout. Ctrl-C cancels the job, a second one leaves at
 * once. Resolves to the exit code.
 */
export async function run(
  prompt: string,
  { json = false, ...flags }: JobFlags & { json?: boolean },
  terminal: Terminal,
): Promise<number> {
  const input = jobInput(await readPrompt(prompt, terminal), flags, terminal.readFile)
  const client = await connectClient(terminal)
  try {
    const job = await client.enqueue(input, { idempotencyKey: flags.idempotencyKey })
    return await follow(job, terminal, createPrinter(terminal, { json }))
  } finally {
    await client.close()
  }
}

/** Prints a job's events until its last. Resolves to the exit code. */
async function follow(job: Job, terminal: Terminal, printer: Printer): Promise<number> {
  const leave = new AbortController()
  let cancelled = false
  using _ = terminal.onSignal(() => {
    if (cancelled) return leave.abort()
    cancelled = true
    printer.note(`cancelling ${job.id}; once more leaves it running`)
    job.cancel().catch((error: unknown) => say(terminal, `cannot cancel: ${String(error)}`))
  })
  for await (const event of job.events({ signal: leave.signal })) {
    printer.print(event)
    const exitCode = exitCodeAt(event, cancelled)
    if (exitCode !== undefined) {
      printer.end()
      return exitCode
    }
  }
  printer.end()
  printer.note(`left ${job.id}`)
  return EXIT.interrupted
}

/** The exit code that this event decides, or undefined while the job goes on. */
function exitCodeAt(event: StreamEvent, cancelled: boolean): number | undefined {
  switch (event.type) {
    case 'completed':
      return EXIT.ok
    case 'failed':
      return exitCodeOfJobError(event.error.code)
    case 'cancelled':
      return cancelled ? EXIT.interrupted : EXIT.jobFailed
    case 'parked':
      return EXIT.parked
    default:
      return undefined
  }
}
