/**
 * Property-based fuzz: `npm run fuzz -- [--runs N] [--seed N] [--target NAME [--cases N]]`. The cases are shared out over
 * the targets; prints what each came to. Default: 100,000 cases, a new seed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    target: { type: 'string' },
    cases: { type: 'string' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'fuzz-'))
const report = join(folder, 'counts.ndjson')
console.log(`seed ${values.seed}`)
const { status } = spawnSync('node_modules/.bin/vitest', ['run', 'test/fuzz', '--testTimeout=0'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    FUZZ_RUNS: values.runs,
    FUZZ_SEED: values.seed,
    FUZZ_REPORT: report,
    ...(values.target === undefined ? {} : { FUZZ_TARGET: values.target }),
    ...(values.cases === undefined ? {} : { FUZZ_CASES: values.cases }),
  },
})
const counts = existsSync(report)
  ? readFileSync(report, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  : []
rmSync(folder, { recursive: true })
const sum = (name) => counts.reduce((total, count) => total + count[name], 0)
for (const { target, cases, faults } of counts) console.log(`${target}: ${cases} cases, ${faults} faults`)
console.log(`all: ${sum('cases')} cases, ${sum('faults')} faults, seed ${values.seed}`)
process.exitCode = status === 0 && sum('cases') > 0 && sum('faults') === 0 ? 0 : 1
