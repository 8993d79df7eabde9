// The production tree, laid out for real: does what the image and the units start, start?
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Lays the tree out at `target` and says what is wrong with it. Takes half a minute: claude's executable is 380 MB. */
export function findTreeFaults(root, target) {
  const laid = spawnSync(process.execPath, [join(root, 'scripts', 'production-tree.mjs'), target], { encoding: 'utf8' })
  if (laid.status !== 0) return [`production-tree.mjs ended with ${laid.status}: ${laid.stderr}`]
  const faults = []
  const store = readdirSync(join(target, 'node_modules', '.pnpm'))
  for (const name of ['typescript@', 'vitest@', 'turbo@', 'oxlint@', 'prettier@'])
    if (store.some((entry) => entry.startsWith(name))) faults.push(`${name} is for development`)
  for (const path of ['test', 'scripts', 'apps/api/src'])
    if (existsSync(join(target, path))) faults.push(`${path} is there`)
  const env = { PATH: process.env.PATH ?? '', HOME: target }
  const start = (args) =>
    spawnSync(process.execPath, [join(target, 'apps/cli/bin/claude-fleet.mjs'), ...args], { env, encoding: 'utf8' })
  const version = start(['--version'])
  if (version.status !== 0) faults.push(`--version ended with ${version.status}: ${version.stderr}`)
  // Without a Redis each says so in one line: by then all that it is made of has been read.
  for (const role of ['api', 'worker', 'board']) {
    const run = spawnSync(process.execPath, [join(target, 'apps/cli/bin/claude-fleet.mjs'), role], {
      env: { ...env, REDIS_URL: 'redis://127.0.0.1:1', FLEET_ADMIN_PASSWORD: 'password' },
      encoding: 'utf8',
      timeout: 60_000,
    })
    if (run.status !== 69) faults.push(`${role} ended with ${run.status ?? run.signal}: ${run.stderr}`)
  }
  return faults
}
