import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { installFakeClaude } from '../install.js'
import { parseSpendLog, type SpendLogEntry } from '../spend-log.js'

export interface FakeLine {
  type: string
  subtype?: string
  session_id?: string
  result?: string
  event?: { type: string; delta?: { text?: string } }
  response?: { subtype: string; response?: Record<string, unknown>; error?: string; error_code?: string }
  [name: string]: unknown
}

export interface FakeProcess {
  pid: number
  /** Everything written to stdout so far. */
  stdout(): Buffer
  /** The same as it came from the pipe. */
  chunks: readonly Buffer[]
  stderr(): string
  say(prompt: string, uuid?: string): void
  control(request: object): void
  write(text: string): void
  end(): void
  kill(signal: NodeJS.Signals): void
  /** The next line after those already asked for that passes. Lines that are not JSON objects are skipped. */
  line(passes: (line: FakeLine) => boolean): Promise<FakeLine>
  result(): Promise<FakeLine>
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  log(): Promise<SpendLogEntry[]>
  pidsFile: string
  folder: string
}

/** Starts a fake claude as a fleet would: installed with its marks, its environment built from nothing. */
export async function startFake(marks = '', wrapper: readonly string[] = []): Promise<FakeProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'cf-fake-'))
  const [log, pidsFile] = [join(folder, 'log'), join(folder, 'pids')]
  const bin = await installFakeClaude({ folder, marks, log, pids: pidsFile })
  const [file, args] = wrapper[0] === undefined ? [bin, []] : [wrapper[0], [...wrapper.slice(1), bin]]
  const child = spawn(file, [...args, '-p', '--model=claude-x', '--verbose'], {
    cwd: folder,
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder, TEST_FOLDER: folder },
  })
  const chunks: Buffer[] = []
  let stderr = ''
  child.stdin.on('error', () => undefined)
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const seen: FakeLine[] = []
  const waiters = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parse(text)
    if (line !== undefined) seen.push(line)
    for (const waiter of waiters) waiter()
  })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  let taken = 0
  const line = (passes: (line: FakeLine) => boolean) =>
    new Promise<FakeLine>((resolve, reject) => {
      const look = () => {
        while (taken < seen.length) {
          const next = seen[taken]
          taken += 1
          if (next === undefined || !passes(next)) continue
          waiters.delete(look)
          return resolve(next)
        }
      }
      waiters.add(look)
      look()
      child.once('close', () => reject(new Error(`it ended first: ${stderr}`)))
    })
  const write = (text: string) => void child.stdin.write(text)
  const send = (value: object) => write(`${JSON.stringify(value)}\n`)
  return {
    pid: child.pid ?? 0,
    stdout: () => Buffer.concat(chunks),
    chunks,
    stderr: () => stderr,
    say: (prompt, uuid) => send({ type: 'user', uuid, message: { role: 'user', content: prompt } }),
    control: (request) => send({ type: 'control_request', request_id: 'r', request }),
    write,
    end: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    line,
    result: () => line(({ type }) => type === 'result'),
    ended,
    log: async () => parseSpendLog(await readFile(log, 'utf8')),
    pidsFile,
    folder,
  }
}

function parse(text: string): FakeLine | undefined {
  try {
    const value = JSON.parse(text) as FakeLine | null
    return typeof value === 'object' && value !== null && typeof value.type === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
