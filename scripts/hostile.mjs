// Runs the tests of hostile input and prints how many were tried, and how many answered wrongly: for docs/security.md.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
const file = join(folder, 'tally.ndjson')
const { status } = spawnSync('node_modules/.bin/vitest', ['run', 'test/hostile'], {
  stdio: 'inherit',
  env: { ...process.env, HOSTILE_TALLY: file },
})
const counts = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
rmSync(folder, { recursive: true })
const sum = (name) => counts.reduce((total, count) => total + count[name], 0)
for (const { area, tried, wrong } of counts) console.log(`${area}: ${tried} tried, ${wrong} answered wrongly`)
console.log(`all: ${sum('tried')} tried, ${sum('wrong')} answered wrongly`)
process.exitCode = status === 0 && sum('wrong') === 0 ? 0 : 1
