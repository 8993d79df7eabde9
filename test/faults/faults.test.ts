import { appendFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../support/random.js'
import type { FaultCase } from './cases/case.js'
import { CANCEL_CASES } from './cases/cancel.js'
import { DEPLOY_CASES } from './cases/deploy.js'
import { CLAUDE_CASES } from './cases/claude.js'
import { REDIS_CASES } from './cases/redis.js'
import { WORKER_CASES } from './cases/worker.js'
import { checkFaults } from './rig/checker.js'
import { startRig } from './rig/rig.js'

// `npm run faults` sets these: how often each case is run, also the long ones, whose figures go to which file, from
// which seed.
const all = process.env['FAULT_RUNS'] !== undefined
const runs = Number(process.env['FAULT_RUNS'] ?? 1)
const report = process.env['FAULT_REPORT']
const seed = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const only = process.env['FAULT_ONLY']

const cases = [...WORKER_CASES, ...REDIS_CASES, ...CLAUDE_CASES, ...CANCEL_CASES, ...DEPLOY_CASES].filter(
  ({ name, long = false }) => (only === undefined ? all || !long : name.includes(only)),
)

describe.concurrent(`faults (seed ${seed}, ${availableParallelism()} cores)`, () => {
  for (const [at, fault] of cases.entries()) {
    for (let run = 1; run <= runs; run += 1) {
      test(`${fault.name}${runs > 1 ? ` (${run})` : ''}`, { timeout: 400_000 }, async () => {
        expect(await brokenPromises(fault, seed + 1_000 * at + run)).toEqual([])
      })
    }
  }
})

/** Injects the fault and says which promises did not hold. */
async function brokenPromises(fault: FaultCase, ownSeed: number): Promise<string[]> {
  await using rig = await startRig({
    ...(fault.marks === undefined ? {} : { marks: fault.marks }),
    ...(fault.env === undefined ? {} : { env: fault.env }),
  })
  const ms = await fault.run(rig, createRandom(ownSeed))
  const findings = await checkFaults(rig)
  const left = await rig.stop()
  const { name, injection } = fault
  if (report !== undefined) {
    const row = { name, injection, seed: ownSeed, ms: ms === undefined ? undefined : Math.round(ms), ...findings, left }
    await appendFile(report, `${JSON.stringify(row)}\n`)
  }
  const { lost, ends, streams, unexplained, overlapMs, extraStarts } = findings
  const allLeft = [...findings.left, ...left]
  const broken = [
    ...lost.map((id) => `${id} never ended`),
    ...ends.map((id) => `${id} did not end once`),
    ...streams,
    ...unexplained.map((id) => `${id} was begun more often than its record says`),
    ...(overlapMs > 0 ? [`two attempts worked at once for ${overlapMs} ms`] : []),
    ...(allLeft.length > 0 ? [`processes ${allLeft.join(', ')} were left`] : []),
    ...(extraStarts > fault.extraStarts ? [`${extraStarts} prompts more than the jobs, not ${fault.extraStarts}`] : []),
    ...(ms !== undefined && ms > (fault.withinMs ?? Infinity) ? [`it took ${ms} ms, not ${fault.withinMs}`] : []),
  ]
  return broken.length === 0 ? [] : [`seed ${ownSeed}`, ...broken]
}
