import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { processesOf } from './processes.js'

const repository = resolve(import.meta.dirname, '..', '..')
let folder: string
beforeAll(() => {
  // Below node_modules, so that the test in it finds vitest.
  folder = mkdtempSync(join(repository, 'node_modules', '.run-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs vitest over one test with this body, under the guard of a run. */
function runGuarded(body: string, env: Record<string, string> = {}) {
  const setup = JSON.stringify(join(repository, 'test', 'support', 'run.ts'))
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    `export default { test: { include: ['*.planted.mjs'], globalSetup: ${setup}, pool: 'forks', reporters: ['dot'] } }`,
  )
  const imports = `import { spawn } from 'node:child_process'
    import { writeFileSync } from 'node:fs'
    import { homedir, tmpdir } from 'node:os'
    import { expect, test } from 'vitest'`
  writeFileSync(join(folder, 'a.planted.mjs'), `${imports}\ntest('planted', async () => {\n${body}\n})\n`)
  const vitest = join(repository, 'node_modules', 'vitest', 'vitest.mjs')
  const given = {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    TMPDIR: process.env['TMPDIR'] ?? '',
  }
  const run = spawnSync(process.execPath, [vitest, 'run', '--root', folder], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...given, ...env },
  })
  return { code: run.status, text: run.stdout + run.stderr }
}

test('a run that cleans up passes, in folders of its own and without the keys of who runs it', () => {
  const run = runGuarded(
    `expect(homedir()).toMatch(/cf-[0-9a-f]{12}.home$/)
     expect(tmpdir()).toMatch(/cf-[0-9a-f]{12}.t$/)
     expect(Object.keys(process.env).filter((name) => /ANTHROPIC|REDIS_URL|FLEET_API/.test(name))).toEqual([])
     writeFileSync(tmpdir() + '/inside', '')`,
    { ANTHROPIC_API_KEY: 'planted', REDIS_URL: 'redis://planted', FLEET_API_KEYS: 'planted' },
  )
  expect(run).toMatchObject({ code: 0 })
})

test.runIf(process.platform === 'linux')('a process that lives on fails the run and is ended', async () => {
  const run = runGuarded(
    `const { pid } = spawn('sleep', ['300.25'], { detached: true, stdio: 'ignore', env: {}, cwd: tmpdir() })
     console.log('pid:' + pid + ':')
     expect(pid).toBeGreaterThan(0)`,
  )
  expect(run.code).toBe(1)
  const pid = Number(/pid:(\d+):/.exec(run.text)?.[1])
  expect(run.text).toContain(`process ${pid} still lived: sleep 300.25`)
  expect(await processesOf('300.25', 1 << 30)).toEqual([])
})

test('a file outside the folder of the run fails it', () => {
  const run = runGuarded(`writeFileSync('stray.txt', ''); expect(true).toBe(true)`, { CI: 'true' })
  expect(run.text).toContain('left behind: stray.txt')
  expect(run.code).toBe(1)
})
