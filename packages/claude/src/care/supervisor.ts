import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createLineDecoder } from '../protocol/decoder.js'
import type { Owner } from '../process/owner.js'
import { createPatience } from './patience.js'

export interface SupervisorTimes {
  /** Between two signs of life to the supervisor, ms. */
  beatMs: number
  /** Silence after which the supervisor ends what the worker started, ms. */
  silenceMs: number
}

export interface SupervisorEvents {
  /** It ended processes because this process had been silent too long. */
  onSilence(pids: number[]): void
  /** It has died, or no longer answered and was ended. A new one is on its way. */
  onLost(why: string): void
}

export interface Supervisor {
  /** Of the present one. */
  readonly pid: number | undefined
  /** Lets it end. Resolves when it has. */
  close(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('../../bin/care-supervisor.mjs', import.meta.url))
/** Keeps it small: it has little to remember, and starts no threads of its own. */
const NODE_FLAGS = ['--max-old-space-size=32', '--max-semi-space-size=1', '--v8-pool-size=0']
const RESTART_MS = [0, 100, 1_000, 5_000] as const

/**
 * Starts the supervisor of this process and beats to it. Resolves when it answers. One that dies is replaced; sessions
 * go on meanwhile, since it is not their parent, and until then the parent-death signal alone stands behind them.
 */
export async function startSupervisor(
  owner: Owner,
  cgroup: string | undefined,
  times: SupervisorTimes,
  events: SupervisorEvents,
): Promise<Supervisor> {
  let child: ChildProcess | undefined
  let state: 'starting' | 'running' | 'closing' = 'starting'
  let failures = 0
  let restart: NodeJS.Timeout | undefined
  // What it is to this process, this process is to it: one that hangs is of no use.
  let answers = createPatience({ silenceMs: times.silenceMs, maxGapMs: 4 * times.beatMs })

  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const args = [PROGRAM, String(owner.pid), owner.startTicks, owner.boot, String(times.silenceMs)]
      const started = spawn(process.execPath, [...NODE_FLAGS, ...args, ...(cgroup === undefined ? [] : [cgroup])], {
        // A session of its own: what is sent to the worker's process group is not for it. No secret, and no folder to hold.
        detached: true,
        env: {},
        cwd: '/',
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      child = started
      answers = createPatience({ silenceMs: times.silenceMs, maxGapMs: 4 * times.beatMs })
      const lines = createLineDecoder()
      started.stdin.on('error', () => undefined)
      started.stdout.on('data', (chunk: Buffer) => {
        answers.renew()
        failures = 0
        resolve()
        for (const line of lines.push(chunk)) {
          const [word, ...pids] = line.split(' ')
          if (word === 'silent') events.onSilence(pids.map(Number))
        }
      })
      let gone = false
      const lost = (why: string): void => {
        if (gone) return
        gone = true
        reject(new Error(`the supervisor did not start: ${why}`))
        if (child === started) child = undefined
        if (state !== 'running') return
        events.onLost(why)
        restart = setTimeout(() => void start().catch(() => undefined), RESTART_MS[Math.min(failures, 3)])
        failures += 1
      }
      started.once('error', (error) => lost(error.message))
      started.once('exit', (code, signal) => lost(`it ended with ${signal ?? code}`))
      beat()
    })

  function beat(): void {
    child?.stdin?.write('.')
  }

  const beating = setInterval(() => {
    beat()
    if (answers.tick() && child !== undefined) child.kill('SIGKILL')
  }, times.beatMs)

  try {
    await start()
    state = 'running'
  } catch (error) {
    clearInterval(beating)
    throw error
  }
  return {
    get pid() {
      return child?.pid
    },
    async close() {
      state = 'closing'
      clearInterval(beating)
      clearTimeout(restart)
      const last = child
      if (last === undefined || last.exitCode !== null || last.signalCode !== null) return
      await new Promise<void>((resolve) => {
        last.once('exit', () => resolve())
        last.stdin?.end('q')
      })
    },
  }
}
