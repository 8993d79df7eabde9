// The documents that are made from the code: `npm run docs` writes them, `--check` fails where the committed ones differ.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as cli from '../apps/cli/dist/index.js'
import * as core from '../packages/core/dist/index.js'
import { errorsPage } from './docs/errors.mjs'
import { settingsPage } from './docs/settings.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const NOTE = '<!-- Made by `npm run docs` from the code; changes here are lost. -->\n\n'

/** Path to text. Throws when a setting does not say what it does. */
export function makePages() {
  const catalog = core.describeSettings()
  return {
    'docs/settings.md': NOTE + settingsPage(catalog),
    'docs/settings.json': `${JSON.stringify(catalog, undefined, 2)}\n`,
    'docs/errors.md': NOTE + errorsPage(core, cli),
  }
}

/** The pages whose text in `folder` is another, or missing. */
export function findStale(pages, folder) {
  return Object.keys(pages).filter((path) => {
    try {
      return readFileSync(join(folder, path), 'utf8') !== pages[path]
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
      return true
    }
  })
}

function main(args) {
  if (args.length > 1 || (args.length === 1 && args[0] !== '--check')) {
    process.stderr.write('usage: node scripts/docs.mjs [--check]\n')
    process.exit(2)
  }
  const pages = makePages()
  const stale = findStale(pages, root)
  if (args[0] === '--check') {
    for (const path of stale) process.stdout.write(`${path} is not what the code says; run: npm run docs\n`)
    process.exitCode = stale.length > 0 ? 1 : 0
    return
  }
  for (const path of stale) {
    writeFileSync(join(root, path), pages[path])
    process.stdout.write(`wrote ${path}\n`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2))
