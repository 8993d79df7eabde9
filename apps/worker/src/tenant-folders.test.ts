import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTenantFolders, type TenantFolders } from './tenant-folders.js'

let root: string
let folders: TenantFolders
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'folders-'))
  folders = createTenantFolders({ workspaceRoot: join(root, 'ws'), stateDir: join(root, 'state') })
})
afterEach(() => rm(root, { recursive: true }))

test("a tenant's folders are made for the worker's user alone", async () => {
  const made = [
    await folders.workspace('t1', undefined),
    await folders.workspace('t1', 'a/b'),
    await folders.home('t1'),
  ]
  const modes = await Promise.all(made.map(async (path) => (await stat(path)).mode & 0o777))
  expect(modes).toEqual([0o700, 0o700, 0o700])
  expect(made[1]).toBe(join(made[0] ?? '', 'a', 'b'))
})

test('a link that leads out of the tenant, also to a tenant with a longer name, is refused and nothing is made there', async () => {
  const own = await folders.workspace('t1', undefined)
  const other = await folders.workspace('t10', undefined)
  await symlink(other, join(own, 'link'))
  await expect(folders.workspace('t1', 'link')).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(folders.workspace('t1', 'link/made')).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await readdir(other)).toEqual([])
})

test('a link that stays inside the tenant is followed', async () => {
  const own = await folders.workspace('t1', undefined)
  await mkdir(join(own, 'real'))
  await symlink(join(own, 'real'), join(own, 'link'))
  expect(await folders.workspace('t1', 'link')).toBe(join(own, 'real'))
})

test('a cwd that is a file is the fault of the job', async () => {
  const own = await folders.workspace('t1', undefined)
  await writeFile(join(own, 'file'), '')
  await expect(folders.workspace('t1', 'file')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
})
