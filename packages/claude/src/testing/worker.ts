import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { ProcessCareEvent, ProcessCareOptions } from '../care/care.js'
import type { SessionSpec } from '../types.js'
import { livingOf } from './daemons.js'

/** A worker in small: care, one session, one turn. It says what it sees, and blocks its event loop when told to. */
const PROGRAM = `
  import { createProcessCare, createSessionStarter } from '${new URL('../../dist/index.js', import.meta.url).href}'
  const { claude, spec, prompt, care: options } = JSON.parse(process.argv[1])
  const say = (message) => process.send(message)
  const onEvent = (event) => say({ event, supervisor: care?.supervisorPid })
  process.on('message', ({ stallMs }) => {
    for (const end = performance.now() + stallMs; performance.now() < end; );
    say({ stalled: true })
  })
  let care
  care = await createProcessCare({ ...options, onEvent })
  const start = await createSessionStarter({ claude, path: options.path, care })
  const session = await start(spec, new AbortController().signal)
  session.exited.then(({ code, signal }) => say({ exit: { code, signal } }))
  const turn = { signal: new AbortController().signal, timeoutMs: 120000, idleTimeoutMs: 120000 }
  for await (const message of session.turn(prompt, turn)) {
    say({ message: message.type, pid: session.pid, supervisor: care.supervisorPid })
  }
  process.on('disconnect', () => {})
  setInterval(() => {}, 1000)
`

export interface WorkerSaid {
  message?: string
  pid?: number
  supervisor?: number
  event?: ProcessCareEvent
  exit?: { code: number | null; signal: string | null }
  stalled?: boolean
}

export interface SmallWorker {
  pid: number
  send(message: { stallMs: number }): void
  signal(name: NodeJS.Signals): void
  /** The first of what it said, or will say, that passes. Rejects when it ends without. */
  said(check: (one: WorkerSaid) => boolean): Promise<WorkerSaid>
  /** All it has said. */
  all: readonly WorkerSaid[]
}

export function startSmallWorker(options: {
  claude: { file: string; args: readonly string[] }
  spec: SessionSpec
  prompt: string
  care: Omit<ProcessCareOptions, 'onEvent'>
}): SmallWorker {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const all: WorkerSaid[] = []
  const waiting = new Set<(one: WorkerSaid) => void>()
  child.on('message', (one: WorkerSaid) => {
    all.push(one)
    for (const waiter of waiting) waiter(one)
  })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    const supervisors = all.flatMap(({ supervisor }) => (supervisor === undefined ? [] : [supervisor]))
    while ((await livingOf(supervisors)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  })
  return {
    pid: child.pid ?? 0,
    all,
    send: (message) => void child.send(message),
    signal: (name) => void child.kill(name),
    said: (check) =>
      new Promise((resolve, reject) => {
        const found = all.find(check)
        if (found !== undefined) return resolve(found)
        const look = (one: WorkerSaid): void => {
          if (!check(one)) return
          waiting.delete(look)
          resolve(one)
        }
        waiting.add(look)
        exited.then(() => reject(new Error('the worker ended first')), reject)
      }),
  }
}
