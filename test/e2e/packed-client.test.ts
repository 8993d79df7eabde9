import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder, type Folder } from '../support/folder.js'
import { runNode } from '../support/service.js'

const ROOT = join(import.meta.dirname, '..', '..')
const exec = promisify(execFile)

let folder: Folder
beforeAll(async () => {
  folder = await makeFolder()
  await Promise.all(['client', 'core', 'queue'].map(installPacked))
})
afterAll(() => folder.remove())

/** As a package manager does it, but for what others made: that is linked to what is here. */
async function installPacked(name: string): Promise<void> {
  const source = join(ROOT, 'packages', name)
  const packed = join(folder.path, `packed-${name}`)
  const target = join(folder.path, 'node_modules', '@claude-fleet', name)
  await Promise.all([mkdir(packed), mkdir(target, { recursive: true })])
  await exec('npm', ['pack', '--ignore-scripts', '--offline', '--pack-destination', packed], { cwd: source })
  const [tarball = ''] = await readdir(packed)
  await exec('tar', ['-xzf', join(packed, tarball), '-C', target, '--strip-components=1'])
  const manifest = await readFile(join(target, 'package.json'), 'utf8')
  const { dependencies = {} } = JSON.parse(manifest) as { dependencies?: Record<string, string> }
  for (const other of Object.keys(dependencies).filter((dependency) => !dependency.startsWith('@claude-fleet/'))) {
    const link = join(target, 'node_modules', other)
    await mkdir(dirname(link), { recursive: true })
    await symlink(await realpath(join(source, 'node_modules', other)), link)
  }
}

const SCRIPT = `
const gone = [{ url: 'http://127.0.0.1:2' }, { redis: 'redis://127.0.0.1:2' }]
const codeOf = (options) => FleetClient.connect(options).catch((error) => [error instanceof FleetError, error.code])
Promise.all(gone.map(codeOf)).then((codes) => console.log(JSON.stringify(codes)))
`
const EXPECTED = `${JSON.stringify([
  [true, 'UNAVAILABLE'],
  [true, 'UNAVAILABLE'],
])}\n`

test.each([
  ['CommonJS, by require', 'require.cjs', "const { FleetClient, FleetError } = require('@claude-fleet/client')"],
  ['an ES module, by import', 'import.mjs', "import { FleetClient, FleetError } from '@claude-fleet/client'"],
])('the client as it is packed works from %s, with both transports', async (_from, file, line) => {
  const path = join(folder.path, file)
  await writeFile(path, line + SCRIPT)
  const { code, stdout, stderr } = await runNode([path], { cwd: folder.path })
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: EXPECTED, stderr: '' })
})
