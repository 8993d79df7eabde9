import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Path of the fake claude, an executable script of Node. */
export const FAKE_CLAUDE_BIN = fileURLToPath(new URL('../../bin/fake-claude.mjs', import.meta.url))

export interface FakeClaudeOptions {
  /** Folder the executable is written to. */
  folder: string
  /** Marks of the whole process; they hold for each of its prompts too. */
  marks?: string
  /** File of the spend log. */
  log?: string
  /** File for the pids of daemons. */
  pids?: string
}

/**
 * Writes an executable `fake-claude` that has its settings within it: a fleet gives claude an environment built from
 * nothing, in which `FAKE_CLAUDE` and the like are not. Resolves to its path, for `CLAUDE_BIN`.
 */
export async function installFakeClaude(options: FakeClaudeOptions): Promise<string> {
  const path = join(options.folder, 'fake-claude')
  const settings = {
    FAKE_CLAUDE: options.marks,
    FAKE_CLAUDE_LOG: options.log,
    FAKE_CLAUDE_PIDS: options.pids,
  }
  const set = `Object.assign(process.env, ${JSON.stringify(settings)})`
  // The extension says nothing about imports here, so the script is CommonJS; `import()` works in both.
  const script = `#!/usr/bin/env node\n${set}\nimport(${JSON.stringify(pathToFileURL(FAKE_CLAUDE_BIN).href)})\n`
  await writeFile(path, script)
  await chmod(path, 0o755)
  return path
}
