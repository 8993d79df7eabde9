import { appendFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { createRandom, type FaultCase } from './cases/case.js'
import { CANCEL_CASES } from './cases/cancel.js'
import { CLAUDE_CASES } from './cases/claude.js'
import { REDIS_CASES } from './cases/redis.js'
import { WORKER_CASES } from './cases/worker.js'
import { checkFaults } from './rig/checker.js'
import { startRig } from './rig/rig.js'

// `npm run faults` sets these: how often each case is run, whose figures go to which file, from which seed.
const runs = Number(process.env['FAULT_RUNS'] ?? 1)
const report = process.env['FAULT_REPORT']
const seed = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const only = process.env['FAULT_ONLY']

const cases = [...WORKER_CASES, ...REDIS_CASES, ...CLAUDE_CASES, ...CANCEL_CASES].filter(
  ({ name }) => only === undefined || name.includes(only),
)

describe.concurrent(`faults (seed ${seed}, ${availableParallelism()} cores)`, () => {
  for (const [at, fault] of cases.entries()) {
    for (let run = 1; run <= runs; run += 1) {
      test(`${fault.name}${runs > 1 ? ` (${run})` : ''}`, { timeout: 400_000 }, () =>
        runCase(fault, seed + 1_000 * at + run),
      )
    }
  }
})

async function runCase(fault: FaultCase, ownSeed: number): Promise<void> {
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
  expect({ ...findings, left: [...findings.left, ...left] }, `seed ${ownSeed}`).toMatchObject({
    lost: [],
    ends: [],
    streams: [],
    unexplained: [],
    overlapMs: 0,
    left: [],
  })
  expect(findings.extraStarts, 'prompts beyond the first of each job').toBeLessThanOrEqual(fault.extraStarts)
  if (fault.withinMs !== undefined) expect(ms, 'the time that is promised').toBeLessThanOrEqual(fault.withinMs)
}
