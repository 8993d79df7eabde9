// Checks what deploys the fleet without an engine: `node scripts/lint-deploy.mjs`, a part of `npm run check`.
// `npm run lint:deploy` (--full) also lays out the production tree and starts what is in it.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findComposeFaults } from './deploy/compose.mjs'
import { findDockerfileFaults } from './deploy/dockerfile.mjs'
import { findKubernetesFaults } from './deploy/kubernetes.mjs'
import { findTreeFaults } from './deploy/tree.mjs'
import { findSystemdFaults, verifyWithSystemd } from './deploy/systemd.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const read = (path) => readFileSync(join(root, path), 'utf8')
const below = (folder, pattern) =>
  Object.fromEntries(
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => pattern.test(path))
      .map((path) => [`${folder}/${path}`, read(`${folder}/${path}`)]),
  )

const units = below('deploy/systemd', /\.service$/)
const manifests = below('deploy/kubernetes', /\.yaml$/)
const compose = {
  compose: read('docker-compose.yml'),
  example: read('.env.example'),
  maker: read('deploy/make-secrets.sh'),
}
const dockerfile = { exists: (path) => existsSync(join(root, path)), ignore: read('.dockerignore') }
const metrics = Object.values(below('apps/api/src', /metrics.*\.ts$/)).join('')

const faults = {
  Dockerfile: findDockerfileFaults(read('Dockerfile'), dockerfile),
  compose: findComposeFaults(compose),
  kubernetes: await findKubernetesFaults(manifests, { root, metrics }),
  units: findSystemdFaults(units),
  systemd: verifyWithSystemd(units),
}
if (process.argv.includes('--full')) {
  const folder = mkdtempSync(join(tmpdir(), 'claude-fleet-tree-'))
  try {
    faults.tree = findTreeFaults(root, join(folder, 'tree'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
for (const [part, found] of Object.entries(faults)) {
  const word = found === undefined ? 'skipped: this machine has no systemd-analyze' : found.length > 0 ? 'FAILED' : 'ok'
  process.stdout.write(`${part}: ${word}\n${(found ?? []).map((fault) => `  ${fault}\n`).join('')}`)
}
process.exitCode = Object.values(faults).some((found) => found !== undefined && found.length > 0) ? 1 : 0
