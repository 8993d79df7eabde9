import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { findClaude } from './binary.js'

/** A script of Node that says `version`; at `path` below a new folder. Returns the folder. */
async function install(files: Record<string, { text: string; mode?: number }>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'claude-fleet-binary-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [path, { text, mode = 0o755 }] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
    await chmod(join(folder, path), mode)
  }
  return folder
}

const claude = (version: string): string => `#!/usr/bin/env node\nconsole.log('${version} (Claude Code)')\n`
const path = dirname(process.execPath)
const nowhere = { path: '/nonexistent' }
const CURRENT = '2.1.330'

test('CLAUDE_BIN wins over the installed package, and that over PATH', async () => {
  const folder = await install({
    'bin/claude': { text: claude('2.1.401') },
    'other/claude': { text: claude('2.1.402') },
    'node_modules/@anthropic-ai/claude-code/package.json': {
      text: JSON.stringify({ name: '@anthropic-ai/claude-code', bin: { claude: 'run.js' } }),
    },
    'node_modules/@anthropic-ai/claude-code/run.js': { text: claude('2.1.403') },
  })
  const search = `${folder}/bin:${path}`
  const versionOf = async (options: object): Promise<string> => (await findClaude({ path: search, ...options })).version
  expect(await versionOf({})).toBe('2.1.401')
  expect(await versionOf({ resolveFrom: [folder] })).toBe('2.1.403')
  expect(await versionOf({ resolveFrom: [folder], bin: `${folder}/other/claude` })).toBe('2.1.402')
})

test('a script of Node is started by Node itself', async () => {
  const folder = await install({ claude: { text: claude(CURRENT) } })
  const found = await findClaude({ bin: `${folder}/claude`, path })
  expect(found).toEqual({
    file: process.execPath,
    args: [`${folder}/claude`],
    path: `${folder}/claude`,
    version: CURRENT,
  })
})

test('a link and the shims of package managers are followed to what they start', async () => {
  const folder = await install({
    'package/claude.js': { text: claude(CURRENT) },
    'bin/pnpm': { text: '#!/bin/sh\nbasedir=$(dirname "$0")\n"$basedir/../package/claude.js"   "$@"\nexit $?\n' },
    'bin/npm': { text: '#!/bin/sh\nbasedir=$(dirname "$0")\nexec node  "$basedir/../package/claude.js" "$@"\n' },
  })
  await symlink('pnpm', join(folder, 'bin/link'))
  for (const name of ['pnpm', 'npm', 'link']) {
    expect((await findClaude({ bin: `${folder}/bin/${name}`, path })).path).toBe(`${folder}/package/claude.js`)
  }
})

test.each([
  ['a script that starts claude as a child', { text: '#!/bin/bash\n/opt/claude "$@"\n' }, 'set CLAUDE_BIN'],
  ['a file that everyone can write', { text: claude(CURRENT), mode: 0o757 }, 'chmod o-w'],
  ['a file that is not executable', { text: claude(CURRENT), mode: 0o644 }, 'chmod +x'],
  ['a version below the floor', { text: claude('2.1.216') }, 'install 2.1.217 or later'],
  ['a program that is not claude', { text: '#!/usr/bin/env node\n' }, 'is it claude?'],
])('refuses %s and says what to do', async (_name, file, advice) => {
  const folder = await install({ claude: file })
  const refused = findClaude({ bin: `${folder}/claude`, path })
  await expect(refused).rejects.toMatchObject({
    code: 'SPAWN_FAILED',
    message: expect.stringContaining(advice) as string,
  })
})

test('says what is missing where there is no claude', async () => {
  await expect(findClaude(nowhere)).rejects.toThrow('npm install -g @anthropic-ai/claude-code')
  await expect(findClaude({ ...nowhere, bin: 'claude-x' })).rejects.toThrow('claude-x, which is not on PATH')
  await expect(findClaude({ ...nowhere, bin: '/nonexistent/claude' })).rejects.toThrow('does not exist')
})
