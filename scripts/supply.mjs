// The packages that are built in: `npm run check -- supply` holds them against the rules below, `npm run sbom` lists
// those of production as CycloneDX 1.6 on stdout. Both read what is installed and the lockfile.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parse } from 'yaml'

/** Licences that ask for nothing but their notice, or, as the Mozilla one, only for changes to their own files. */
const LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MPL-2.0',
  'Python-2.0',
  'Unlicense',
])
/** Under terms of their own, which the operator has accepted by using them. */
const OWN_TERMS = /^@anthropic-ai\/claude-code(-|$)/
const MINIMUM_AGE_MINUTES = 1_440
const SCRIPTS = ['preinstall', 'install', 'postinstall']

/**
 * What is wrong, one line each. `packages`: name, version, licence and the install scripts of each; `lock`, `workspace`:
 * the parsed lockfile and pnpm-workspace.yaml.
 */
export function violations({ packages, lock, workspace }) {
  const decided = new Set([...(workspace.onlyBuiltDependencies ?? []), ...(workspace.ignoredBuiltDependencies ?? [])])
  const wrong = []
  for (const { name, version, licence, scripts } of packages) {
    if (!OWN_TERMS.test(name) && !licencesOf(licence).some((one) => LICENCES.has(one)))
      wrong.push(`${name}@${version}: the licence ${licence} is not on the list`)
    if (scripts.length > 0 && !decided.has(name))
      wrong.push(
        `${name}@${version}: has ${scripts.join(', ')}, and pnpm-workspace.yaml does not say whether it may run`,
      )
  }
  for (const [name, { resolution }] of Object.entries(lock.packages ?? {})) {
    if (resolution.integrity === undefined) wrong.push(`${name}: the lockfile has no integrity for it`)
    if (resolution.tarball !== undefined || resolution.repo !== undefined)
      wrong.push(`${name}: does not come from the registry`)
  }
  if (!(workspace.minimumReleaseAge >= MINIMUM_AGE_MINUTES))
    wrong.push(`minimumReleaseAge: must be ${MINIMUM_AGE_MINUTES} minutes or more`)
  if (workspace.trustPolicy !== 'no-downgrade') wrong.push('trustPolicy: must be no-downgrade')
  return wrong
}

/** Of `(MIT OR Apache-2.0)` one is enough; an `AND` is a name that is not on the list. */
const licencesOf = (licence) => licence.replace(/^\(|\)$/g, '').split(' OR ')

/** CycloneDX 1.6 of the given packages. */
export function sbomOf({ packages, lock, project }) {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: { type: 'application', name: project.name, version: project.version, licenses: idOf(project.license) },
    },
    components: packages.map(({ name, version, licence }) => {
      const integrity = lock.packages?.[`${name}@${version}`]?.resolution.integrity
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
      return {
        type: 'library',
        'bom-ref': purl,
        name,
        version,
        purl,
        licenses: LICENCES.has(licence) ? idOf(licence) : [{ license: { name: licence } }],
        ...(integrity?.startsWith('sha512-') ? { hashes: [{ alg: 'SHA-512', content: hexOf(integrity) }] } : {}),
      }
    }),
  }
}

const idOf = (id) => [{ license: { id } }]
const hexOf = (integrity) => Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const readYaml = (name) => parse(readFileSync(join(root, name), 'utf8'))
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))

function installed(args) {
  const run = spawnSync(process.execPath, ['scripts/pn.mjs', 'licenses', 'list', '--json', ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (run.status !== 0) throw new Error(`pnpm could not list the licences: ${run.stderr}${run.stdout}`)
  const found = Object.entries(JSON.parse(run.stdout)).flatMap(([licence, packages]) =>
    packages.flatMap(({ name, versions, paths }) =>
      versions.map((version, at) => ({ name, version, licence, scripts: scriptsOf(paths[at]) })),
    ),
  )
  return found.toSorted((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1))
}

function scriptsOf(path) {
  const { scripts = {} } = readJson(join(path, 'package.json'))
  const named = SCRIPTS.filter((name) => scripts[name] !== undefined)
  // npm builds what has this file, also without a script.
  return existsSync(join(path, 'binding.gyp')) ? [...named, 'binding.gyp'] : named
}

function main(what) {
  const lock = readYaml('pnpm-lock.yaml')
  if (what === 'sbom') {
    const sbom = sbomOf({ packages: installed(['--prod']), lock, project: readJson(join(root, 'package.json')) })
    const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(sbom))}`
    process.stdout.write(`${JSON.stringify({ ...sbom, serialNumber }, null, 2)}\n`)
    return 0
  }
  const wrong = violations({ packages: installed([]), lock, workspace: readYaml('pnpm-workspace.yaml') })
  process.stdout.write(wrong.map((line) => `${line}\n`).join(''))
  return wrong.length === 0 ? 0 : 1
}

/** The same list has the same name, so that two builds of one commit can be compared. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main(process.argv[2])
