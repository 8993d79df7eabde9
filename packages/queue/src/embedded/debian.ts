import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram, type ProgramRun } from './program.js'
import type { Server } from './server.js'

/** On Debian 12; asked of apt, where it answers, since other releases split the server otherwise. */
const PACKAGES = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1']
const DOWNLOAD_MS = 120_000

interface Tools {
  aptGet: string
  dpkg: string
}

/**
 * The Redis server of Debian's or Ubuntu's own archive, unpacked into `cacheDir` (about 5 MB): apt checks the
 * signatures, nothing is installed, no root is needed. A second call finds the first one's. Rejects with an Error whose
 * message is what apt said.
 */
export async function unpackDebianServer(tools: Tools, cacheDir: string, signal?: AbortSignal): Promise<Server> {
  const home = join(cacheDir, `redis-${await release()}-${process.arch}`)
  const cached = await usable(home)
  if (cached !== undefined) return cached
  await mkdir(cacheDir, { recursive: true, mode: 0o700 })
  const work = await mkdtemp(join(cacheDir, '.unpacking-'))
  try {
    const root = join(work, 'root')
    for (const archive of await download(tools, work, signal)) {
      const run = await runProgram(tools.dpkg, ['-x', join(work, archive), root], { signal, timeoutMs: DOWNLOAD_MS })
      if (!run.ok) throw new Error(lastLine(run))
    }
    const unpacked = await usable(root)
    if (unpacked === undefined) throw new Error('the unpacked redis-server does not run here')
    // A copy that no longer runs (the system lost a library) makes way; another process's good one stays.
    if ((await usable(home)) === undefined) await rename(home, join(work, 'old')).catch(ignoreMissing)
    await rename(root, home).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    const server = await usable(home)
    if (server === undefined) throw new Error(`the redis-server in ${home} does not run here`)
    return server
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Downloads the archives into `work` and returns their names. */
async function download(tools: Tools, work: string, signal: AbortSignal | undefined): Promise<string[]> {
  const apt = (...args: string[]) =>
    runProgram(tools.aptGet, ['-qq', ...args], { cwd: work, signal, timeoutMs: DOWNLOAD_MS })
  const fetched = async () => (await readdir(work)).filter((name) => name.endsWith('.deb'))
  // The system's package lists are often empty or stale (images clear them): then lists of our own, thrown away after.
  const lists = join(work, 'lists')
  const cache = join(work, 'cache')
  await mkdir(join(lists, 'partial'), { recursive: true })
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  const own = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`]
  let last = await apt('download', ...(await missingPackages(apt, [])))
  if (!last.ok) {
    const update = await apt('update', ...own)
    last = await apt('download', ...own, ...(await missingPackages(apt, own)))
    if (!last.ok) throw new Error(lastLine(update.ok ? last : update))
  }
  return fetched()
}

/** What this system lacks of the server and its libraries. A simulation: it needs no root and changes nothing. */
async function missingPackages(apt: (...args: string[]) => Promise<ProgramRun>, own: string[]): Promise<string[]> {
  const run = await apt('--simulate', 'install', '--no-install-recommends', ...own, 'redis-server')
  const named = [...run.stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '')
  const wanted = named.filter((name) => /^(lib|lua|redis|valkey)/.test(name))
  return run.ok && wanted.some((name) => /^(redis|valkey)/.test(name)) ? wanted : PACKAGES
}

/** The server in an unpacked tree, if it runs. */
async function usable(root: string): Promise<Server | undefined> {
  const folders = await Promise.all([libraries(join(root, 'usr', 'lib')), libraries(join(root, 'lib'))])
  const libraryPath = folders.flat().join(':')
  for (const name of ['redis-server', 'valkey-server']) {
    const bin = join(root, 'usr', 'bin', name)
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: libraryPath }
    if ((await runProgram(bin, ['--version'], { env })).ok) return { bin, libraryPath }
  }
  return undefined
}

async function libraries(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return [folder, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name))]
}

/** A home folder may be shared by machines of different releases. */
async function release(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string) => new RegExp(`^${name}="?([A-Za-z0-9.]+)`, 'm').exec(text)?.[1] ?? 'unknown'
  return `${field('ID')}-${field('VERSION_ID')}`
}

const lastLine = (run: ProgramRun) =>
  run.stderr
    .trim()
    .split('\n')
    .findLast((line) => !line.startsWith('W:'))
    ?.slice(0, 300) ?? 'it gave no reason'

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
