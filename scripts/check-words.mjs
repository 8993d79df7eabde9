// What no linter knows: words, names and places that must not be in the tree. Prints `path:line: rule: why`.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const SKIPPED = new Set(['node_modules', 'dist', '.git', '.turbo', '.data', 'test-output'])
/** The rules name what they forbid, and so do their tests. */
const EXEMPT = /^scripts\/check-words(\.test)?\.mjs$/

/** Each looks at one line. `files`: the paths it is for; every file when missing. */
export const LINE_RULES = [
  {
    name: 'machine-path',
    pattern: /(?<![\w.~-])\/(work|root|farm|home\/(?!node\b|worker\b)[a-z][\w-]*|Users\/[A-Za-z][\w-]*)\//,
    why: 'is a path of one machine',
  },
  {
    name: 'registry-host',
    pattern: /https?:\/\/[\w.-]*(registry|artifactory|nexus|verdaccio|npmmirror)[\w.-]*\.[a-z]+|_authToken/i,
    why: 'names a package registry',
  },
  { name: 'secret', pattern: /sk-ant-[a-z]+\d*-[\w-]{40,}|-----BEGIN [A-Z ]*PRIVATE KEY/, why: 'looks like a secret' },
  {
    name: 'unfinished',
    pattern: /\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented/,
    why: 'is unfinished: finish it or open an issue',
  },
  {
    name: 'authorship',
    pattern:
      /\b(AI|LLM|machine|assistant)[- ](generated|written|assisted|authored)\b|\b(generated|written|created) (by|with) (claude|gpt|an? (ai|llm|assistant)|ai)\b|co-authored-by|as an ai\b/i,
    why: 'the project speaks of itself alone',
  },
  {
    name: 'skipped-test',
    pattern: /\b(test|it|describe)\.(only|skip|todo)\(/,
    why: 'a test that does not run proves nothing',
    files: /\.test\.(ts|mjs)$/,
  },
  {
    name: 'star-export',
    pattern: /^\s*export \*/,
    why: 'an index names what it exports',
    files: /\.ts$/,
  },
  {
    name: 'dynamic-import',
    pattern: /\bimport\(\s*['"`](bullmq|ioredis|execa)\b/,
    why: 'goes round the rule about who may import it',
    files: /\.(ts|mjs)$/,
  },
]

const SOURCE = /\.(ts|tsx|js|mjs)$/
const FORBIDDEN_NAME = /(^|[-.])(utils?|helpers?|common|managers?|misc)([-.]|$)/i
/** Who may depend on what, beside the lint rule: a name in package.json is the way in. */
const OWNERS = { bullmq: 'packages/queue', ioredis: 'packages/queue', execa: 'packages/claude' }

/** What is wrong with one file: `path:line: rule: why`, one a fault. */
export function findFaults(path, text) {
  const name = SOURCE.test(path) ? path.split('/').find((part) => FORBIDDEN_NAME.test(part)) : undefined
  const faults = name === undefined ? [] : [`${path}:1: file-name: ${name} says nothing of the domain`]
  if (EXEMPT.test(path)) return faults
  const rules = LINE_RULES.filter(({ files }) => files === undefined || files.test(path))
  for (const [index, line] of text.split('\n').entries())
    for (const rule of rules)
      if (rule.pattern.test(line)) faults.push(`${path}:${index + 1}: ${rule.name}: ${rule.why}`)
  if (basename(path) === 'package.json') faults.push(...findForeignDependencies(path, text))
  return faults
}

function findForeignDependencies(path, text) {
  const manifest = JSON.parse(text)
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies })
  return names
    .filter((name) => OWNERS[name] !== undefined && dirname(path) !== OWNERS[name])
    .map((name) => `${path}:1: dependency: only ${OWNERS[name]} depends on ${name}`)
}

function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}

function main() {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  let files = 0
  const faults = []
  for (const path of filesBelow(root)) {
    const text = readFileSync(path, 'utf8')
    if (text.includes('\0')) continue
    files += 1
    faults.push(...findFaults(relative(root, path), text))
  }
  for (const fault of faults) process.stdout.write(`${fault}\n`)
  if (files === 0) process.stdout.write('no file was looked at\n')
  process.exitCode = faults.length > 0 || files === 0 ? 1 : 0
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
