/**
 * The supervisor of one worker: a process that ends all that the worker started when the worker has died, which is when
 * its stdin ends, and when it has been silent too long. It is given everything in argv, and imports no library, not
 * even the schema one, since every worker carries its memory: its only caller is `supervisor.ts` beside it.
 *
 *   node main.js PID START-TICKS BOOT-ID SILENCE-MS [CGROUP]
 *
 * stdin: any byte is a sign of life, `q` says that the worker ends in order. stdout: a line `alive` to each, `silent PIDS` when the patience has ended.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { removeCgroup } from './cgroup.js'
import { createPatience } from './patience.js'
import { endOwned } from './leftovers.js'

const TICK_MS = 250
const [pid, startTicks = '', boot = '', silenceMs, cgroup] = process.argv.slice(2)
if (!/^\d+$/.test(pid ?? '') || !/^\d+$/.test(silenceMs ?? '')) process.exit(78)
const owner = { pid: Number(pid), startTicks, boot }

// What ends the worker's process group or its service must not end this first: it ends when the worker has.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

const patience = createPatience({ silenceMs: Number(silenceMs), maxGapMs: 4 * TICK_MS })
let ending: Promise<number[]> | undefined
const end = (): Promise<number[]> => {
  ending ??= endOwned(owner, cgroup).finally(() => (ending = undefined))
  return ending
}

// A worker that is gone hears nothing, which is no reason to stop.
process.stdout.on('error', () => undefined)
let goodbye = false
process.stdin.on('data', (chunk: Buffer) => {
  patience.renew()
  goodbye ||= chunk.includes('q')
  process.stdout.write('alive\n')
})
const ticking = setInterval(() => {
  // Again at each tick while the silence lasts: what a worker started just before is found then.
  if (!patience.tick() || ending !== undefined) return
  end().then(
    (pids) => pids.length > 0 && process.stdout.write(`silent ${pids.join(' ')}\n`),
    (error: unknown) => process.stdout.write(`error ${String(error)}\n`),
  )
}, TICK_MS)
const died = async (): Promise<void> => {
  clearInterval(ticking)
  await end()
  if (!goodbye) {
    // A command that the worker was about to start in its last moment has its marks by now.
    await delay(TICK_MS)
    await end()
  }
  if (cgroup !== undefined) await removeCgroup(cgroup).catch(() => undefined)
  process.exit(0)
}
process.stdin.once('end', () => void died())
process.stdin.once('error', () => void died())
