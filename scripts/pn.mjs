// Runs the pnpm that package.json pins, with nothing but Node and npm on the machine.
// npx also puts that pnpm on PATH, which turbo needs.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pin = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager.split('+')[0]
const run = spawnSync('npx', ['-y', pin, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { TURBO_TELEMETRY_DISABLED: '1', ...process.env },
})
if (run.error) process.stderr.write(`cannot run npx: ${run.error.message}; install Node 20.19 or newer with npm\n`)
process.exit(run.status ?? 1)
