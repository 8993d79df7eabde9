import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Check } from '@claude-fleet/core'
import { expect, onTestFinished, test } from 'vitest'
import { folderChecks, type Folders } from './folders.js'

async function makeRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'f-'))
  onTestFinished(() => rm(root, { recursive: true }))
  return root
}

async function check(folders: Partial<Folders>, root: string): Promise<(name: string) => Check | undefined> {
  const all = { workspaceRoot: join(root, 'w'), stateDir: join(root, 's'), temporary: root, ...folders }
  const checks = await folderChecks(all)
  return (name) => checks.find((one) => one.name === `folders.${name}`)
}

test('folders that are there or can be made are well, and nothing is left in them', async () => {
  const root = await makeRoot()
  await mkdir(join(root, 'w'), { mode: 0o700 })
  const of = await check({ stateDir: join(root, 'a/b/c') }, root)
  expect(of('workspaces')).toMatchObject({ status: 'ok', found: expect.stringMatching(/w, \d+ MB free$/) })
  expect(of('state')).toMatchObject({ status: 'ok', found: expect.stringMatching(/is made at the start/) })
  expect(of('apart')).toBeUndefined()
  expect(await readdir(root)).toEqual(['w'])
  expect(await readdir(join(root, 'w'))).toEqual([])
})

test('a folder that cannot be made or written is wrong, also for root', async () => {
  const root = await makeRoot()
  await writeFile(join(root, 'file'), '')
  const of = await check({ workspaceRoot: join(root, 'file/w'), stateDir: join(root, 'file') }, root)
  expect(of('workspaces')).toMatchObject({ status: 'fail', found: expect.stringContaining('cannot be made: ENOTDIR') })
  expect(of('state')).toMatchObject({ status: 'fail', fix: expect.stringContaining('export FLEET_STATE_DIR=') })
})

test('a folder that others may write or, for the state, read is named with the command that shuts it', async () => {
  const root = await makeRoot()
  for (const [name, mode] of [
    ['w', 0o777],
    ['my state', 0o755],
    ['t', 0o777],
  ] as const) {
    await mkdir(join(root, name))
    await chmod(join(root, name), mode)
  }
  const of = await check({ stateDir: join(root, 'my state'), temporary: join(root, 't') }, root)
  expect(of('workspaces')).toMatchObject({ status: 'fail', fix: `chmod o-w ${root}/w` })
  expect(of('state')).toMatchObject({ status: 'warn', fix: `chmod o-rwx '${root}/my state'` })
  expect(of('temporary')).toMatchObject({ status: 'fail', fix: `chmod +t ${root}/t` })
})

test('a TMPDIR so long that the socket of claude does not fit is said', async () => {
  const root = await makeRoot()
  const long = join(root, 'x'.repeat(60))
  await mkdir(long)
  const of = await check({ temporary: long }, root)
  expect(of('socket-path')).toMatchObject({ status: 'warn', expected: 'at most 47', fix: 'export TMPDIR=/tmp' })
})
