// Lays out a built checkout as it runs in production: `node scripts/production-tree.mjs FOLDER`. The Dockerfile and the
// systemd guide use it. What comes out: the `files` of each package that `claude-fleet` needs, and its production
// dependencies as the lockfile has them, copied, never linked to a store that somebody else may write to.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = process.argv[2] === undefined ? undefined : resolve(process.argv[2])
if (target === undefined) fail('usage: node scripts/production-tree.mjs FOLDER', 2)
if (existsSync(target) && readdirSync(target).length > 0) fail(`${target} is not empty`, 2)

const read = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const packages = new Map(
  ['apps', 'packages']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => [read(folder).name, folder]),
)

mkdirSync(target, { recursive: true })
const manifest = read(root)
for (const name of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'LICENSE'])
  cpSync(join(root, name), join(target, name))
for (const folder of neededBy(manifest)) {
  const { files = [] } = read(folder)
  for (const name of ['package.json', ...files]) {
    if (!existsSync(join(folder, name))) fail(`${relative(root, folder)} has no ${name}: build first`, 1)
    cpSync(join(folder, name), join(target, relative(root, folder), name), { recursive: true })
  }
}

const install = ['install', '--prod', '--frozen-lockfile', '--config.package-import-method=copy']
const run = spawnSync('npx', ['-y', manifest.packageManager.split('+')[0], ...install, '--filter', 'claude-fleet...'], {
  cwd: target,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, CI: 'true' },
})
if (run.status !== 0) fail(`pnpm install ended with ${run.error?.message ?? run.signal ?? run.status}`, 1)
dropSecondCopyOfClaude()
dropCompiler()

/** Folders of the workspace packages that `claude-fleet` depends on, through any number of others. */
function neededBy({ dependencies = {} }, seen = new Set()) {
  for (const name of Object.keys(dependencies)) {
    const folder = packages.get(name)
    if (folder === undefined || seen.has(folder)) continue
    seen.add(folder)
    neededBy(read(folder), seen)
  }
  return seen
}

/** claude's install script has put the platform's executable in place; the package it came from is 380 MB more. */
function dropSecondCopyOfClaude() {
  const store = join(target, 'node_modules', '.pnpm')
  const claude = readdirSync(store).find((name) => name.startsWith('@anthropic-ai+claude-code@'))
  if (claude === undefined) fail('claude is not among the production dependencies', 1)
  const own = join(store, claude, 'node_modules', '@anthropic-ai')
  const version = spawnSync(join(own, 'claude-code', read(join(own, 'claude-code')).bin.claude), ['--version'], {
    env: { HOME: '/nonexistent', DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1' },
    encoding: 'utf8',
  })
  if (version.status !== 0) fail(`claude does not run: ${version.error?.message ?? version.stderr}`, 1)
  for (const name of readdirSync(store))
    if (name.startsWith('@anthropic-ai+claude-code-')) rmSync(join(store, name), { recursive: true })
  for (const links of [own, join(store, 'node_modules', '@anthropic-ai')])
    for (const name of readdirSync(links)) if (name.startsWith('claude-code-')) rmSync(join(links, name))
  process.stdout.write(`claude ${version.stdout.trim()} is in place\n`)
}

/** An optional peer of a dependency's dependency, there because the workspace has it. Nothing that runs asks for it. */
function dropCompiler() {
  const store = join(target, 'node_modules', '.pnpm')
  const names = readdirSync(store)
  for (const name of names)
    if (name.startsWith('typescript@') || name.startsWith('@typescript+'))
      rmSync(join(store, name), { recursive: true })
  const folders = names.filter((name) => existsSync(join(store, name, 'node_modules')))
  for (const name of [...folders.map((folder) => join(folder, 'node_modules')), 'node_modules'])
    for (const link of ['typescript', '@typescript', '.bin/tsc'])
      rmSync(join(store, name, link), { recursive: true, force: true })
}

function fail(message, code) {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}
