import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { processesOf, type FoundProcess } from './processes.js'

/** What a test must not find: the keys of the person who runs it, and settings that would change what it tests. */
const FOREIGN_VARIABLES =
  /^(ANTHROPIC_|CLAUDE|FLEET_|AWS_(?!CA_BUNDLE)|GOOGLE_|REDIS_URL$|XDG_|NODE_OPTIONS$|NODE_ENV$)/
const SETTLE_MS = 5_000

/**
 * One run of the tests, from vitest's global setup to its teardown: a temporary folder that holds its TMPDIR and HOME
 * and is removed at the end, and the check that nothing else is left. What is left fails the run and is ended.
 */
export default async function startRun(): Promise<() => Promise<void>> {
  const mark = `cf-${randomBytes(6).toString('hex')}`
  // Both are asked for before they are changed.
  const places = { home: homedir(), temporary: [...new Set([tmpdir(), '/tmp'])] }
  const before = await snapshot(places)
  const root = join(tmpdir(), mark)
  for (const name of Object.keys(process.env)) if (FOREIGN_VARIABLES.test(name)) delete process.env[name]
  process.env['CLAUDE_FLEET_TEST_RUN'] = mark
  process.env['TMPDIR'] = join(root, 't')
  process.env['HOME'] = join(root, 'home')
  await mkdir(join(root, 't'), { recursive: true, mode: 0o700 })
  await mkdir(join(root, 'home'))
  return async () => {
    const processes = await leftProcesses(mark)
    await rm(root, { recursive: true, force: true, maxRetries: 3 })
    const files = [...(await snapshot(places))].filter((path) => !before.has(path))
    const faults = [
      ...processes.map(({ pid, command }) => `process ${pid} still lived: ${command}`),
      ...files.map((path) => `left behind: ${path}`),
    ]
    if (faults.length === 0) return
    // vitest prints what a teardown throws, and forgets to fail.
    process.exitCode = 1
    throw new Error(`the tests did not clean up:\n  ${faults.join('\n  ')}`)
  }
}

/** What of the run lives on after it. Test processes that are ending get a moment. What remains is killed. */
async function leftProcesses(mark: string): Promise<FoundProcess[]> {
  const deadline = performance.now() + SETTLE_MS
  let found = await processesOf(mark, process.pid)
  if (found === undefined)
    console.warn('processes that tests leave behind are not looked for: this system has no /proc')
  while (found !== undefined && found.length > 0 && performance.now() < deadline) {
    await pause(50)
    found = await processesOf(mark, process.pid)
  }
  for (const { pid } of found ?? []) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  return found ?? []
}

/**
 * The files a run could leave in places that are not its own. On a developer's machine only those that nothing but the
 * fleet makes; in CI, where nobody else is at work, whatever appears in the checkout, the home and the temporary folder,
 * but for the folders of other runs (`cf-*`): each removes and checks its own.
 */
async function snapshot({ home, temporary }: { home: string; temporary: string[] }): Promise<Set<string>> {
  const ours = [await list(join(home, '.claude-fleet')), await list(join(home, '.cache', 'claude-fleet'))]
  if (!process.env['CI']) return new Set(ours.flat())
  const shared = (await Promise.all(temporary.map(list))).flat()
  const isOurs = (path: string) => /\/(claude|cc-|fleet|redis|embedded|vitest|service|node-compile)[^/]*$/.test(path)
  const checkout = await tree(process.cwd(), process.cwd())
  return new Set([...ours.flat(), ...(await list(home)), ...shared.filter(isOurs), ...checkout])
}

async function list(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).map((name) => join(folder, name))
}

const GENERATED = new Set(['node_modules', '.git', 'dist', '.turbo', 'test-output'])

async function tree(folder: string, root: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const below = entries
    .filter((entry) => !GENERATED.has(entry.name))
    .map(async (entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? tree(path, root) : [relative(root, path)]
    })
  return (await Promise.all(below)).flat()
}
