import { setTimeout as pause } from 'node:timers/promises'
import type { Rig, RigWorker } from '../faults/rig/rig.js'
import type { Random } from '../support/random.js'

export interface StormDeps {
  rig: Rig
  random: Random
  startWorker(id: string): Promise<RigWorker>
  /** Kills the API as `kill -9` does and starts it on the same port. */
  restartApi(): Promise<void>
  note(fault: string): void
}

/** One fault: does it and puts it right again. `ms` is a random time that it lasts. */
type Fault = (deps: StormDeps, victim: RigWorker) => Promise<void>

const FAULTS: Record<string, Fault> = {
  async 'worker killed'({ startWorker }, victim) {
    victim.process.signal('SIGKILL')
    await victim.process.ended
    await startWorker(victim.id)
  },
  async 'worker frozen'({ random }, victim) {
    victim.process.signal('SIGSTOP')
    await pause(500 + random(24_000))
    victim.process.signal('SIGCONT')
  },
  async 'worker drained'({ startWorker }, victim) {
    await victim.process.stop(60_000)
    await startWorker(victim.id)
  },
  async 'worker cut off'({ random }, victim) {
    victim.line.drop()
    await pause(500 + random(24_000))
    victim.line.restore()
  },
  async 'connections reset'({ rig }) {
    for (const { line } of rig.workers) line.reset()
  },
  async 'Redis killed'({ rig, random }) {
    await rig.crashRedis(100 + random(5_000))
  },
  async 'Redis restarted'({ rig, random }) {
    await rig.restartRedis(100 + random(2_000))
  },
  async 'Redis frozen'({ rig, random }) {
    rig.freezeRedis()
    await pause(500 + random(12_000))
    rig.thawRedis()
  },
  async 'Redis out of memory'({ rig, random }) {
    await rig.command('CONFIG', 'SET', 'maxmemory', '1')
    await pause(500 + random(5_000))
    await rig.command('CONFIG', 'SET', 'maxmemory', '0')
  },
  async 'API killed'({ restartApi }) {
    await restartApi()
  },
}

/** A random fault every few seconds until `signal` aborts, each put right before the next. Resolves to how often each was. */
export async function storm(
  deps: StormDeps,
  { quietMs, signal }: { quietMs: number; signal: AbortSignal },
): Promise<Record<string, number>> {
  const { rig, random, note } = deps
  const names = Object.keys(FAULTS)
  const counts: Record<string, number> = {}
  for (;;) {
    await pause(quietMs / 2 + random(quietMs), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return counts
    const name = names[Math.floor(random(names.length))] ?? ''
    const alive = liveOf(rig)
    const victim = alive[Math.floor(random(alive.length))]
    if (victim === undefined) throw new Error('no worker is left')
    note(name)
    counts[name] = (counts[name] ?? 0) + 1
    await FAULTS[name]?.(deps, victim)
  }
}

/** The last process of each worker id. */
export function liveOf(rig: Rig): RigWorker[] {
  return [...new Map(rig.workers.map((worker) => [worker.id, worker])).values()]
}
