// Everything that is checked without running the product: `npm run check`. All checks run, also after a failure;
// `npm run check -- lint words` runs the named ones.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name) => join(root, 'node_modules', '.bin', name)
const CHECKS = {
  lint: [bin('oxlint'), '--deny-warnings'],
  format: [bin('prettier'), '--check', '--log-level', 'warn', '.'],
  types: [
    process.execPath,
    'scripts/pn.mjs',
    'exec',
    'turbo',
    'run',
    // Built too: what follows reads the packages.
    'build',
    'typecheck',
    '--continue',
    '--output-logs=errors-only',
  ],
  unused: [bin('knip'), '--no-progress', '--no-config-hints'],
  deploy: [process.execPath, 'scripts/lint-deploy.mjs'],
  docs: [process.execPath, 'scripts/docs.mjs', '--check'],
  supply: [process.execPath, 'scripts/supply.mjs'],
  words: [process.execPath, 'scripts/check-words.mjs'],
}

const named = process.argv.slice(2)
const unknown = named.find((name) => !Object.hasOwn(CHECKS, name))
if (unknown !== undefined) {
  process.stderr.write(`no check is called ${unknown}; there are: ${Object.keys(CHECKS).join(', ')}\n`)
  process.exit(2)
}

const failed = []
for (const [name, [command, ...args]] of Object.entries(CHECKS)) {
  if (named.length > 0 && !named.includes(name)) continue
  const start = performance.now()
  const run = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  })
  const seconds = ((performance.now() - start) / 1_000).toFixed(1)
  process.stdout.write(`${run.status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`)
  if (run.status === 0) continue
  failed.push(name)
  process.stdout.write(`${run.error?.message ?? ''}${run.stdout}${run.stderr}\n`)
}
if (failed.length > 0) process.stdout.write(`failed: ${failed.join(', ')}\n`)
process.exit(failed.length > 0 ? 1 : 0)
