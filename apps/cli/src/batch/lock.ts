import { open, readFile, unlink } from 'node:fs/promises'
import { FleetError } from '@claude-fleet/core'

/**
 * Holds `what`, such as a batch, for this process: two that write the same output would write its lines twice. What a killed process left
 * is taken over. Throws FleetError `INVALID_REQUEST` while another holds it.
 */
export async function lock(path: string, what: string): Promise<AsyncDisposable> {
  for (let tries = 0; ; tries += 1) {
    try {
      const file = await open(path, 'wx', 0o600)
      try {
        await file.writeFile(`${process.pid}\n`)
      } finally {
        await file.close()
      }
      return { [Symbol.asyncDispose]: () => unlink(path) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tries > 0) throw error
    }
    const holder = Number((await readFile(path, 'utf8')).trim())
    if (isAlive(holder)) {
      throw new FleetError(
        'INVALID_REQUEST',
        `process ${holder} works on ${what}; if that is something else, remove ${path}`,
      )
    }
    await unlink(path)
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
