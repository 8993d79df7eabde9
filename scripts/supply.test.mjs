import { expect, test } from 'vitest'
import { sbomOf, violations } from './supply.mjs'

const workspace = { minimumReleaseAge: 1_440, trustPolicy: 'no-downgrade', onlyBuiltDependencies: ['built'] }
const lock = { packages: { 'plain@1.0.0': { resolution: { integrity: `sha512-${'A'.repeat(86)}==` } } } }
const plain = { name: 'plain', version: '1.0.0', licence: 'MIT', scripts: [] }

test('what is on the lists passes', () => {
  const packages = [
    plain,
    { ...plain, name: 'built', scripts: ['postinstall'] },
    { ...plain, name: 'dual', licence: '(GPL-3.0 OR MIT)' },
    { ...plain, name: '@anthropic-ai/claude-code-linux-x64', licence: 'Unknown' },
  ]
  expect(violations({ packages, lock, workspace })).toEqual([])
})

test.each([
  [
    'an install script that nobody has decided on',
    { packages: [{ ...plain, scripts: ['postinstall'] }] },
    'postinstall',
  ],
  ['a licence that is not on the list', { packages: [{ ...plain, licence: 'AGPL-3.0' }] }, 'AGPL-3.0'],
  ['one licence of two that must both be kept', { packages: [{ ...plain, licence: 'MIT AND SSPL-1.0' }] }, 'SSPL-1.0'],
  ['no licence', { packages: [{ ...plain, licence: 'Unknown' }] }, 'Unknown'],
  ['a package without integrity', { lock: { packages: { 'x@1.0.0': { resolution: {} } } } }, 'integrity'],
  [
    'a package from elsewhere',
    { lock: { packages: { x: { resolution: { integrity: 'sha512-x', tarball: 'https://elsewhere' } } } } },
    'registry',
  ],
  ['versions of the last hour', { workspace: { ...workspace, minimumReleaseAge: 60 } }, 'minimumReleaseAge'],
  ['publishers that prove less than before', { workspace: { ...workspace, trustPolicy: 'off' } }, 'trustPolicy'],
])('%s is refused', (_what, planted, named) => {
  const wrong = violations({ packages: [plain], lock, workspace, ...planted })
  expect(wrong).toHaveLength(1)
  expect(wrong[0]).toContain(named)
})

test('the list of packages has their hashes and licences', () => {
  const project = { name: 'fleet', version: '1.0.0', license: 'MIT' }
  expect(sbomOf({ packages: [{ ...plain, name: 'plain' }], lock, project }).components).toEqual([
    {
      type: 'library',
      'bom-ref': 'pkg:npm/plain@1.0.0',
      purl: 'pkg:npm/plain@1.0.0',
      name: 'plain',
      version: '1.0.0',
      licenses: [{ license: { id: 'MIT' } }],
      hashes: [{ alg: 'SHA-512', content: '0'.repeat(128) }],
    },
  ])
})
