import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { installFakeClaude } from '@claude-fleet/simulator'
import { onTestFinished } from 'vitest'
import { readEntry } from '../process/process-table.js'
import type { SessionSpec } from '../types.js'

/** A fake claude that leaves daemons of four kinds, all deaf to SIGTERM, and the way to see them from outside. */
export interface DaemonBench {
  claude: { file: string; args: string[] }
  spec: SessionSpec
  /** Resolves when there are `count` of them, to their pids here, also where they live in a PID namespace. */
  pids(count: number): Promise<number[]>
}

/** `marks` hold for each process; the daemons come with a prompt that has `[[daemons:stubborn]]`. */
export async function startDaemonBench(marks = ''): Promise<DaemonBench> {
  const folder = await mkdtemp(join(tmpdir(), 'cf-'))
  const file = join(folder, 'pids')
  const bin = await installFakeClaude({ folder, marks, pids: file })
  const seen = new Set<number>()
  onTestFinished(async () => {
    for (const pid of await livingOf([...seen])) process.kill(pid, 'SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  const spec: SessionSpec = {
    tenant: 't',
    cwd: folder,
    home: await mkdtemp(join(folder, 'home-')),
    credential: 'default',
    env: {},
    permissionMode: 'dontAsk',
    trustWorkspace: false,
  }
  return {
    claude: { file: bin, args: [] },
    spec,
    async pids(count) {
      for (;;) {
        const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)
        const named = lines.map((line) => (JSON.parse(line) as { pid: number }).pid)
        const here = named.length < count ? [] : outside(named)
        if (here.length < count) {
          await delay(20)
          continue
        }
        for (const pid of here) seen.add(pid)
        return here
      }
    },
  }
}

/** Those of them that live; a zombie does not. */
export async function livingOf(pids: readonly number[]): Promise<number[]> {
  return (await Promise.all(pids.map((pid) => readEntry(pid)))).flatMap((entry) => (entry ? [entry.pid] : []))
}

/** Waits until none of them lives, for `ms` at most. Returns those that do. */
export async function livingAfter(pids: readonly number[], ms: number): Promise<number[]> {
  const deadline = performance.now() + ms
  for (;;) {
    const living = await livingOf(pids)
    if (living.length === 0 || performance.now() > deadline) return living
    await delay(20)
  }
}

/** The pids here of sleepers that are known by their pids where they live. */
function outside(named: readonly number[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const [status, command] = ['status', 'cmdline'].map((file) => read(`/proc/${name}/${file}`))
      const inside = Number(/^NSpid:.*\s(\d+)$/m.exec(status ?? '')?.[1])
      return named.includes(inside) && command === 'sleep\x00300\x00' ? [Number(name)] : []
    })
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}
