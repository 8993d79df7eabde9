import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Owner } from '../process/owner.js'
import { readEntry } from '../process/process-table.js'

/** The folders of one process: its config and its temporary files, apart from those of any other. */
export interface SessionFolder {
  config: string
  temporary: string
  /** To be called once nothing of the process lives. */
  remove(): Promise<void>
}

/**
 * Makes the folders of a process below `home`, readable by this user alone. What workers left there that are dead is
 * removed with it.
 *
 * Names are short: claude opens a socket below TMPDIR, and the path of a socket has at most 107 bytes.
 */
export async function makeSessionFolder(home: string, owner: Owner, nonce: string): Promise<SessionFolder> {
  const sessions = join(home, 'sessions')
  const folder = join(sessions, `${owner.pid}-${owner.startTicks}-${nonce}`)
  const config = join(folder, 'config')
  const temporary = join(folder, 'tmp')
  await mkdir(config, { recursive: true, mode: 0o700 })
  await mkdir(temporary, { recursive: true, mode: 0o700 })
  await removeLeftOver(sessions)
  return { config, temporary, remove: () => remove(folder) }
}

async function removeLeftOver(sessions: string): Promise<void> {
  for (const name of await readdir(sessions)) {
    const [pid, startTicks] = name.split('-')
    if (process.platform !== 'linux' || !/^\d+-\d+-[0-9a-f]+$/.test(name)) continue
    if ((await readEntry(Number(pid)))?.startTicks !== startTicks) await remove(join(sessions, name))
  }
}

/** A tool may have left what cannot be removed: it is in the tenant's own home, and no reason to fail a turn that is over. */
async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 2 }).catch(() => undefined)
}
