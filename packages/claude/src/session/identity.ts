import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Says which claude file and which working folder are at these paths now; undefined when one is not, or when what a
 * process is told of the folder changes with its files. Equal only while a start would bring the same: an update writes
 * another file, and a process stays in a folder that was removed.
 *
 * Of a git repository claude reads branch, status and history once, for the most part when it starts, and tells them to
 * the model (measured, 2.1.330). To ask git itself would run what the repository's configuration names, outside of every
 * cage: so a process in one is never the same as one that is started later.
 */
export async function identityOf(file: string, cwd: string): Promise<string | undefined> {
  try {
    const [binary, folder, isRepository] = await Promise.all([stat(file), stat(cwd), isInRepository(cwd)])
    if (isRepository) return undefined
    return [binary.dev, binary.ino, binary.size, binary.mtimeMs, folder.dev, folder.ino].join(':')
  } catch {
    // Not there, or not to be seen: no process can be told to be the same.
    return undefined
  }
}

/** As git and claude look for it: `.git` here or in a folder above. */
async function isInRepository(cwd: string): Promise<boolean> {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const found = await stat(join(folder, '.git')).then(
      () => true,
      () => false,
    )
    if (found) return true
    if (folder === dirname(folder)) return false
  }
}
