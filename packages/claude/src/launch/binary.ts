import { access, constants, open, readFile, realpath, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { FleetError, shellWord } from '@claude-fleet/core'
import { onPath } from './on-path.js'

/** The lowest version whose protocol this package was measured against and relies on. */
export const MINIMUM_CLAUDE_VERSION = '2.1.217'

export interface FindClaudeOptions {
  /** `CLAUDE_BIN`: a path, or a name to be found on `path`. */
  bin?: string | undefined
  /** The PATH to look `claude` up on. */
  path: string
  /** Folders from which the package `@anthropic-ai/claude-code` is looked for, as Node would: usually the project's own. */
  resolveFrom?: readonly string[]
  /** Longest time for `--version`, ms. */
  timeoutMs?: number
}

export interface ClaudeBinary {
  /** Absolute path of the program to start. */
  file: string
  /** What goes before claude's own arguments: the script, where `file` is Node. */
  args: readonly string[]
  /** Absolute path of claude itself. */
  path: string
  version: string
}

/** What was wrong with a claude, as `details` of the error: where the look at it ended, and what mends it. */
export interface ClaudeFault {
  /** In the order in which they are looked at. */
  stage: 'found' | 'executable' | 'real' | 'starts' | 'version'
  path?: string | undefined
  version?: string | undefined
  fix: string
}

const PACKAGE = '@anthropic-ai/claude-code'
const INSTALL = `npm install -g ${PACKAGE}`
const SET_BIN = 'set CLAUDE_BIN to the claude executable itself'

/**
 * Finds the claude to run: `bin`, else the installed package's own executable, else `claude` on PATH.
 *
 * It must be the real program. A package manager's `.bin/claude` is a shell script that starts claude as a child, so
 * signals would end the shell and leave claude; such a shim is followed to what it starts, or refused. A script that
 * Node runs (older npm versions) is started through Node directly.
 *
 * Rejects with FleetError `SPAWN_FAILED` and one sentence that says what to do; `details` are `ClaudeFault`.
 */
export async function findClaude(options: FindClaudeOptions): Promise<ClaudeBinary> {
  const candidate = await locate(options)
  const path = await followShim(candidate, options.bin === undefined ? INSTALL : 'unset CLAUDE_BIN')
  await check(path)
  const command = await commandOf(path, options.path)
  const version = await readVersion(command, options)
  if (isOlder(version, MINIMUM_CLAUDE_VERSION)) {
    const message = `claude ${version} at ${path} is too old; install ${MINIMUM_CLAUDE_VERSION} or later`
    throw unusable(message, { stage: 'version', path, version, fix: INSTALL })
  }
  return { ...command, path, version }
}

async function locate({ bin, path, resolveFrom = [] }: FindClaudeOptions): Promise<string> {
  if (bin !== undefined) {
    const found = bin.includes('/') ? resolve(bin) : await onPath(bin, path)
    if (found === undefined)
      throw unusable(`CLAUDE_BIN names ${bin}, which is not on PATH`, { stage: 'found', fix: 'unset CLAUDE_BIN' })
    return found
  }
  for (const folder of resolveFrom) {
    const installed = await packageExecutable(folder)
    if (installed !== undefined) return installed
  }
  const found = await onPath('claude', path)
  if (found === undefined)
    throw unusable(`claude was not found; install it with: ${INSTALL}`, { stage: 'found', fix: INSTALL })
  return found
}

/** The version of the package that is installed where Node would look from `folder`: the one that this code is tested with. */
export async function pinnedClaudeVersion(folder: string): Promise<string | undefined> {
  const installed = await readPackage(folder)
  return installed?.version
}

/** The executable that the package itself names in `bin`, if it is installed where Node would find it. */
async function packageExecutable(from: string): Promise<string | undefined> {
  const installed = await readPackage(from)
  const entry = typeof installed?.bin === 'string' ? installed.bin : installed?.bin?.['claude']
  return installed === undefined || entry === undefined ? undefined : join(installed.folder, entry)
}

const packageSchema = z.object({
  version: z.string().optional(),
  bin: z.union([z.string(), z.record(z.string(), z.string())]).optional(),
})

async function readPackage(from: string): Promise<(z.infer<typeof packageSchema> & { folder: string }) | undefined> {
  let manifest: string
  try {
    manifest = createRequire(join(resolve(from), 'package.json')).resolve(`${PACKAGE}/package.json`)
  } catch {
    return undefined
  }
  return { ...packageSchema.parse(JSON.parse(await readFile(manifest, 'utf8'))), folder: dirname(manifest) }
}

/** Follows links, and the one line by which npm's and pnpm's shims start their program. */
async function followShim(candidate: string, fix: string): Promise<string> {
  let path = await real(candidate, fix)
  for (let depth = 0; depth < 3; depth += 1) {
    const text = await startOf(path, 4096)
    if (!text.startsWith('#!') || isNodeScript(text)) return path
    const target =
      /^exec\s.*?"\$basedir\/([^"]+)"\s+"\$@"/m.exec(text)?.[1] ?? /"\$basedir\/([^"]+)"\s+"\$@"/.exec(text)?.[1]
    if (target === undefined) {
      throw unusable(`${path} is a script that starts claude as a child; ${SET_BIN}`, {
        stage: 'real',
        path,
        fix: SET_BIN,
      })
    }
    path = await real(resolve(dirname(path), target), fix)
  }
  throw unusable(`${candidate} leads from one script to another; ${SET_BIN}`, { stage: 'real', path, fix: SET_BIN })
}

async function check(path: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & 0o002) !== 0) {
    const fix = `chmod o-w ${shellWord(path)}`
    throw unusable(`${path} can be written by everyone; mend it with: ${fix}`, { stage: 'executable', path, fix })
  }
  await access(path, constants.X_OK).catch((cause: unknown) => {
    const fix = `chmod +x ${shellWord(path)}`
    throw unusable(`${path} is not executable; mend it with: ${fix}`, { stage: 'executable', path, fix }, cause)
  })
}

async function commandOf(path: string, searchPath: string): Promise<{ file: string; args: readonly string[] }> {
  const text = await startOf(path, 256)
  if (isNodeScript(text)) {
    const node = await onPath('node', searchPath)
    if (node === undefined)
      throw unusable(`${path} needs node, which is not on PATH`, { stage: 'starts', path, fix: 'put node on the PATH' })
    return { file: node, args: [path] }
  }
  return { file: path, args: [] }
}

async function readVersion(
  command: { file: string; args: readonly string[] },
  options: FindClaudeOptions,
): Promise<string> {
  const timeoutMs = options.timeoutMs ?? 30_000
  // `--version` asks for nothing of the environment; HOME is no one's, so nothing is read from or written to it.
  const said = await execa(command.file, [...command.args, '--version'], {
    env: { PATH: options.path, HOME: '/nonexistent', DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1' },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const version = /^(\d+\.\d+\.\d+)/.exec(said.stdout)?.[1]
  if (version === undefined) {
    const path = command.args[0] ?? command.file
    const why = said.timedOut
      ? `does not answer --version within ${timeoutMs / 1_000} s`
      : 'does not say its version; is it claude?'
    const fix = `${shellWord(path)} --version`
    throw unusable(`${path} ${why}`, { stage: 'starts', path, fix }, said.cause)
  }
  return version
}

function isOlder(version: string, minimum: string): boolean {
  const [a, b] = [version, minimum].map((text) => text.split('.').map(Number)) as [number[], number[]]
  for (const [index, wanted] of b.entries()) {
    const have = a[index] ?? 0
    if (have !== wanted) return have < wanted
  }
  return false
}

function isNodeScript(text: string): boolean {
  return /^#!\S*\/(env (-S )?)?node\b/.test(text)
}

async function real(path: string, fix: string): Promise<string> {
  return realpath(path).catch((cause: unknown) => {
    throw unusable(`${path} does not exist`, { stage: 'found', path, fix }, cause)
  })
}

async function startOf(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unusable(`${path} cannot be read`, { stage: 'executable', path, fix: `chmod +r ${shellWord(path)}` }, cause)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}

function unusable(message: string, fault: ClaudeFault, cause?: unknown): FleetError {
  return new FleetError('SPAWN_FAILED', message, { cause, details: { ...fault } })
}
