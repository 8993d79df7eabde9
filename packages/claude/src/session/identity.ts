import { stat } from 'node:fs/promises'

/**
 * Says which claude file and which working folder are at these paths now; undefined when one is not. Equal only while
 * neither was replaced: an update writes another file, and a process stays in a folder that was removed.
 */
export async function identityOf(file: string, cwd: string): Promise<string | undefined> {
  try {
    const [binary, folder] = await Promise.all([stat(file), stat(cwd)])
    return [binary.dev, binary.ino, binary.size, binary.mtimeMs, folder.dev, folder.ino].join(':')
  } catch {
    // Not there, or not to be seen: no process can be told to be the same.
    return undefined
  }
}
