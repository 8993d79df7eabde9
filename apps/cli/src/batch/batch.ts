import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import type { FleetClient } from '@claude-fleet/client'
import { FleetError, readClientSettings } from '@claude-fleet/core'
import { withOpenClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import type { Terminal } from '../terminal.js'
import { checkInput, type CheckedInput } from './input.js'
import { openJournal } from './journal.js'
import { lock } from './lock.js'
import { openOutput } from './output.js'
import { createPatience } from './patience.js'
import { showProgress } from './progress.js'
import { runLines } from './run.js'
import { createTally, type Summary } from './summary.js'

export interface BatchOptions {
  out: string
  concurrency: number
  resend: boolean
  cancel: boolean
  json: boolean
}

/** The exit code, and the summary that is to be printed. */
export interface BatchEnd {
  exitCode: number
  summary: Summary
}

/** Runs a batch, or what is left of it. Resolves when it has ended or was interrupted. */
export async function runBatch(path: string, options: BatchOptions, terminal: Terminal): Promise<BatchEnd> {
  await refuse(path, options)
  const interrupt = new AbortController()
  const { signal } = interrupt
  let presses = 0
  using _ = terminal.onSignal(() => {
    presses += 1
    if (presses > 1) terminal.exit(EXIT.interrupted)
    interrupt.abort(new FleetError('CANCELLED', 'interrupted'))
  })
  const input = await checkInput(path)
  // Awaited here: the signals are heard until it has ended.
  return await withOpenClient(terminal, (client) =>
    runChecked(client, { path, ...input }, options, { terminal, signal }),
  )
}

async function runChecked(
  client: FleetClient,
  { path, sha256, jobs }: CheckedInput & { path: string },
  options: BatchOptions,
  { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
): Promise<BatchEnd> {
  await using _ = await lock(`${options.out}.lock`, 'this batch')
  const journal = await openJournal(`${options.out}.state`, { sha256, fleet: fleetOf(terminal) }, Date.now)
  const tally = createTally(jobs)
  const done = new Set<number>()
  const output = await openOutput(options.out, (line) => {
    if (done.has(line.line)) return
    done.add(line.line)
    tally.add(line)
  }).catch(async (error: unknown) => {
    await journal.close()
    throw error
  })
  const beganAt = performance.now()
  const measure = () => tally.summary(Math.round(performance.now() - beganAt))
  using progress = showProgress(terminal, measure, { quiet: options.json })
  if (done.size > 0) progress.note(`continues: ${done.size} of ${jobs} had ended`)
  const patience = createPatience(signal, (reason) => progress.note(`${(reason as Error).message}; trying again`))
  try {
    const parts = { client, journal, output, patience, done, onEnd: tally.add }
    await runLines(parts, {
      path,
      concurrency: options.concurrency,
      resend: options.resend,
      cancel: options.cancel,
      signal,
    })
  } catch (error) {
    const { left } = measure()
    progress.note(
      `left with ${left} of ${jobs} to come; what was sent goes on, and the same command continues; with --cancel it ends what was sent`,
    )
    if (signal.aborted) return { exitCode: EXIT.interrupted, summary: measure() }
    throw error
  } finally {
    await Promise.all([output.close(), journal.close()])
  }
  const summary = measure()
  return { exitCode: summary.completed === jobs ? EXIT.ok : EXIT.jobFailed, summary }
}

const MAX_CONCURRENCY = 10_000

async function refuse(path: string, { out, concurrency }: BatchOptions): Promise<void> {
  const refused = (message: string) => new FleetError('INVALID_REQUEST', message)
  if (path === '-') {
    throw refused('a batch is continued from its input, and stdin cannot be read twice: put it into a file')
  }
  if (!existsSync(path)) throw refused(`${path} does not exist`)
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    throw refused(`--concurrency must be 1 to ${MAX_CONCURRENCY}`)
  }
  if (!existsSync(dirname(resolve(out)))) throw refused(`the folder of ${out} does not exist`)
  if (!existsSync(out)) return
  if ((await realpath(out)) === (await realpath(path))) throw refused('--out must not be the input')
  if (!existsSync(`${out}.state`)) {
    throw refused(`${out} is there without its ${basename(out)}.state, so it cannot be continued; name another --out`)
  }
}

/** Where the fleet is, without a name, password or key. */
function fleetOf(terminal: Terminal): string {
  const { url, redisUrl, prefix } = readClientSettings(terminal)
  const { protocol, host, pathname } = new URL(url ?? redisUrl ?? '')
  const address = `${protocol}//${host}${pathname.replace(/\/$/, '')}`
  return url === undefined ? `${address} ${prefix}` : address
}
