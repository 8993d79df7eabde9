import { expect, test } from 'vitest'
import { findFaults, LINE_RULES } from './check-words.mjs'

const CAUGHT = {
  'machine-path': ['docs/a.md', 'see /root/notes or "/home/jane/x"'],
  'registry-host': ['pnpm-lock.yaml', 'tarball: https://registry.example.org/x.tgz'],
  secret: ['a.ts', `const key = 'sk-ant-api03-${'a'.repeat(48)}'`],
  unfinished: ['a.ts', '// TODO later'],
  authorship: ['README.md', 'Co-Authored-By: somebody'],
  'skipped-test': ['a.test.ts', "test.skip('x', () => {})"],
  'star-export': ['packages/core/src/index.ts', "export * from './x.js'"],
  'dynamic-import': ['apps/api/src/a.ts', "await import('bullmq')"],
}

test('every rule has a line that it catches, with its place', () => {
  expect(Object.keys(CAUGHT)).toEqual(LINE_RULES.map(({ name }) => name))
  for (const [name, [path, line]] of Object.entries(CAUGHT)) {
    const faults = findFaults(path, `fine\n${line}\n`)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(new RegExp(`^${path}:2: ${name}: `))
  }
})

test.each(['src/utils.ts', 'src/redis-helper.ts', 'common/a.ts', 'src/session-manager.test.ts'])(
  '%s is no name for a file',
  (path) => {
    expect(findFaults(path, '')[0]).toContain('file-name')
  },
)

test('a dependency of one package is not taken by another', () => {
  const manifest = JSON.stringify({ devDependencies: { ioredis: '1' } })
  expect(findFaults('apps/api/package.json', manifest)[0]).toContain('only packages/queue depends on ioredis')
  expect(findFaults('packages/queue/package.json', manifest)).toEqual([])
})

test('ordinary text is left alone', () => {
  const text = 'GET /v1/workers/:id/drain from /usr/bin, $HOME/work/x, ./root/x and https://example.org/home/page/\n'
  expect(findFaults('README.md', text)).toEqual([])
})
