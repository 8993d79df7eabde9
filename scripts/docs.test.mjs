import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import * as core from '../packages/core/dist/index.js'
import { table } from './docs/markdown.mjs'
import { findStale, makePages } from './docs.mjs'

test('a page that was changed by hand, or is missing, is found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'docs-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const pages = makePages()
  mkdirSync(join(folder, 'docs'))
  for (const [path, text] of Object.entries(pages)) writeFileSync(join(folder, path), text)
  expect(findStale(pages, folder)).toEqual([])
  writeFileSync(join(folder, 'docs/settings.md'), `${pages['docs/settings.md']}\n`)
  rmSync(join(folder, 'docs/errors.md'))
  expect(findStale(pages, folder)).toEqual(['docs/settings.md', 'docs/errors.md'])
})

test('every code and every setting has a row, with what the tables say', () => {
  const pages = makePages()
  for (const name of [...core.JOB_ERROR_CODES, ...core.API_ERROR_CODES])
    expect(pages['docs/errors.md'].split(`\n| \`${name}\` |`)).toHaveLength(2)
  expect(pages['docs/errors.md']).toContain('| `USAGE_LIMIT` | park | yes | 429 | 75 |')
  expect(pages['docs/errors.md']).toContain('| `TIMEOUT` | fail | no | 504 | 124 |')
  expect(pages['docs/errors.md']).toContain('| `UNAVAILABLE` | 503 | yes | 69 |')
  for (const { name } of core.describeSettings().settings)
    expect(pages['docs/settings.md']).toContain(`\n| \`${name}\``)
  expect(pages['docs/settings.md']).toContain('| `REDIS_URL` * | api, board, worker, clients |')
})

test('what is in a cell cannot leave it', () => {
  expect(table(['a'], [['x|y\nz']])).toBe('| a |\n|---|\n| x\\|y z |')
})
