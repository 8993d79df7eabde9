/**
 * The long form of the fault tests: `npm run faults -- [--runs N] [--seed N] [--only TEXT] [--at-once N] [--write]`.
 * Injects every fault N times (10), four cases at once, prints what came of it as a table and, with `--write`, puts that
 * into docs/reliability.md.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir, totalmem, type, release } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const DOCUMENT = 'docs/reliability.md'
const BEGIN = '<!-- faults: written by `npm run faults -- --write` -->'
const END = '<!-- faults: end -->'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
    'at-once': { type: 'string', default: '4' },
    write: { type: 'boolean', default: false },
  },
})

const folder = mkdtempSync(join(tmpdir(), 'faults-'))
const report = join(folder, 'report.ndjson')
const vitest = ['node_modules/vitest/vitest.mjs', 'run', 'test/faults', `--maxConcurrency=${values['at-once']}`]
const { status } = spawnSync(process.execPath, vitest, {
  stdio: 'inherit',
  env: {
    ...process.env,
    FAULT_RUNS: values.runs,
    FAULT_SEED: values.seed,
    FAULT_REPORT: report,
    ...(values.only === undefined ? {} : { FAULT_ONLY: values.only }),
  },
})
const rows = readFileSync(report, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line))
rmSync(folder, { recursive: true })

const text = `${table(rows)}\n\nNode ${process.version}, ${type()} ${release()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; seed ${values.seed}; ${values['at-once']} cases at once.`
process.stdout.write(`\n${text}\n`)
if (values.write && status === 0) write(text)
process.exit(status ?? 1)

function table(all) {
  const head =
    '| fault | injection | runs | jobs | lost | ended twice | broken streams | extra prompts | overlap ms | left | needed p50 / p100 |\n|---|---|---|---|---|---|---|---|---|---|---|'
  const names = [...new Set(all.map(({ name }) => name))]
  return [head, ...names.map((name) => row(all.filter((one) => one.name === name)))].join('\n')
}

function row(runs) {
  const [{ name, injection }] = runs
  const sum = (pick) => runs.reduce((total, one) => total + pick(one), 0)
  const times = runs.flatMap(({ ms }) => (ms === undefined ? [] : [ms])).sort((a, b) => a - b)
  const cells = [
    name,
    injection,
    runs.length,
    sum((one) => one.jobs),
    sum((one) => one.lost.length),
    sum((one) => one.ends.length),
    sum((one) => one.streams.length),
    sum((one) => one.extraStarts),
    Math.max(...runs.map(({ overlapMs }) => overlapMs)),
    sum((one) => one.left.length),
    times.length === 0 ? '' : `${seconds(times[Math.floor((times.length - 1) / 2)])} / ${seconds(times.at(-1))}`,
  ]
  return `| ${cells.join(' | ')} |`
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}

function write(section) {
  const document = readFileSync(DOCUMENT, 'utf8')
  const from = document.indexOf(BEGIN)
  const to = document.indexOf(END)
  if (from === -1 || to < from) throw new Error(`${DOCUMENT} has no place for the table: ${BEGIN} … ${END}`)
  writeFileSync(DOCUMENT, `${document.slice(0, from + BEGIN.length)}\n\n${section}\n\n${document.slice(to)}`)
}
