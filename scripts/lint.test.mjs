import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** A line that each rule must catch, in a file where it counts. */
const CAUGHT = [
  ['packages/core/src/a.ts', "import 'node:fs'", 'no I/O'],
  ['packages/core/src/b.ts', "import '@claude-fleet/queue'", 'core imports no other package'],
  ['packages/claude/src/a.ts', "import '@claude-fleet/queue/embedded'", 'claude knows core alone'],
  ['packages/claude/src/b.ts', "import '@claude-fleet/simulator'", 'claude knows core alone'],
  ['packages/claude/src/c.ts', "import 'ioredis'", 'Only packages/queue speaks to Redis'],
  ['packages/queue/src/a.ts', "import '@claude-fleet/claude'", 'queue knows core alone'],
  ['packages/queue/src/b.ts', "import 'execa'", 'Only packages/claude starts claude'],
  ['packages/client/src/a.ts', "export { Queue } from 'bullmq'", 'Only packages/queue speaks to Redis'],
  ['packages/client/src/b.ts', "import '@claude-fleet/api'", 'client knows core and queue alone'],
  ['packages/simulator/src/a.ts', "import '@claude-fleet/queue'", 'simulator knows core alone'],
  ['apps/api/src/a.ts', "import '@claude-fleet/worker'", 'Nothing imports an app'],
  ['apps/api/src/b.ts', "import '@claude-fleet/claude'", 'Only apps/worker joins queue and claude'],
  ['apps/worker/src/a.ts', "import 'bullmq/dist/x.js'", 'Only packages/queue speaks to Redis'],
  ['apps/worker/src/b.ts', "import '@claude-fleet/queue/src/keys.js'", 'through its exports'],
  ['apps/worker/src/c.ts', "import '../../../packages/queue/src/keys.js'", 'through its exports'],
  ['test/e2e/a.test.ts', "import 'ioredis'", 'Only packages/queue speaks to Redis'],
  ['apps/cli/src/main.ts', "import 'execa'", 'Only packages/claude starts claude'],
  ['packages/queue/src/c.ts', "export const home = process.env['HOME']", 'no-process-env'],
  ['packages/queue/src/d.ts', 'export const end = () => process.exit(1)', 'no-process-exit'],
  ['packages/queue/src/e.ts', "process.on('SIGTERM', () => undefined)", 'Only main.ts owns the process'],
  ['packages/queue/src/f.ts', "import { env } from 'node:process'\nexport { env }", 'Only main.ts owns the process'],
  [
    'packages/queue/src/g.ts',
    'export async function f() {}\nexport const h = () => {\n  f()\n}',
    'no-floating-promises',
  ],
  [
    'packages/queue/src/h.ts',
    'export const f = (g: () => void) => g()\nexport const h = () => f(async () => undefined)',
    'no-misused-promises',
  ],
  [
    'packages/queue/src/i.ts',
    "export function f(x: 'a' | 'b') {\n  switch (x) {\n    case 'a':\n      return 1\n  }\n  return 2\n}",
    'switch-exhaustiveness-check',
  ],
  ['packages/queue/src/j.ts', 'export const f = (x: any) => x', 'no-explicit-any'],
  ['packages/queue/src/k.ts', "import { m } from './m.js'\nexport const k = () => m", 'no-cycle'],
  ['packages/queue/src/m.ts', "import { k } from './k.js'\nexport const m = () => k", 'no-cycle'],
  ['packages/queue/src/n.ts', '// a line\n'.repeat(401), 'max-lines'],
  ['packages/queue/src/o.ts', 'const unused = 1\nexport {}', 'no-unused-vars'],
]
const ALLOWED = [
  ['packages/queue/src/fine.ts', "import 'bullmq'\nimport '@claude-fleet/core'\nimport 'node:fs'"],
  ['packages/claude/src/fine.ts', "import 'execa'\nimport '@claude-fleet/core'"],
  ['packages/claude/src/fine.test.ts', "import '@claude-fleet/simulator'"],
  ['apps/worker/src/fine.ts', "import '@claude-fleet/queue'\nimport '@claude-fleet/claude'"],
  ['apps/cli/src/fine.ts', "import '@claude-fleet/api'"],
  ['apps/api/src/main.ts', "import process from 'node:process'\nprocess.on('SIGTERM', () => process.exit(0))"],
]

const repository = resolve(import.meta.dirname, '..')
let folder
let faults
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lint-'))
  cpSync(join(repository, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const compilerOptions = { strict: true, module: 'NodeNext', target: 'ES2023', noEmit: true, types: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }))
  for (const [path, text] of [...CAUGHT, ...ALLOWED]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `${text}\n`)
  }
  const oxlint = join(repository, 'node_modules', '.bin', 'oxlint')
  const run = spawnSync(oxlint, ['-f', 'json', '--deny-warnings'], { cwd: folder, encoding: 'utf8' })
  if (run.status !== 1 || run.stderr !== '') throw new Error(`oxlint ended with ${run.status}: ${run.stderr}`)
  faults = JSON.parse(run.stdout).diagnostics
})
afterAll(() => rmSync(folder, { recursive: true }))

const faultsOf = (path) =>
  faults.filter(({ filename }) => filename === path).map(({ code, message, help }) => `${code} ${message} ${help}`)

for (const [path, , reason] of CAUGHT)
  test(`${path} is caught: ${reason}`, () => {
    expect(faultsOf(path).join('\n')).toContain(reason)
  })

for (const [path] of ALLOWED)
  test(`${path} is allowed`, () => {
    expect(faultsOf(path)).toEqual([])
  })
