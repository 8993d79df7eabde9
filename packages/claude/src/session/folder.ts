import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Owner } from '../process/owner.js'
import { readEntry } from '../process/process-table.js'
import type { Transcript } from './transcript.js'

/** The folders of one process: its config and its temporary files, apart from those of any other. */
export interface SessionFolder {
  config: string
  temporary: string
  /** Takes away what a turn has left in them; claude's own files stay. Rejects with the system's error where it cannot. */
  clean(): Promise<void>
  /** The rows that claude has written of a conversation, one JSON object each; none where there is no transcript. */
  transcript(sessionId: string): Promise<string[]>
  /** Where that transcript is; undefined while there is none. */
  transcriptFile(sessionId: string): Promise<string | undefined>
  /** Puts a transcript where claude looks for it, before it starts. Resolves to its length, bytes. */
  restore(transcript: Transcript): Promise<number>
  /** To be called once nothing of the process lives. */
  remove(): Promise<void>
}

/** Begins the name of a temporary folder. */
const TEMPORARY = 'cfs-'

/**
 * Makes the folders of a process, readable by this user alone: its config below `home`, its temporary files below the
 * system's own temporary folder. What workers left of theirs that are dead is removed with it.
 *
 * The temporary folder is not below `home`, because claude opens a socket in it and the path of a socket has at most
 * 107 bytes: where it does not fit, 2.1.330 opens it in `/tmp/cc-socks-UID` instead, beside those of all tenants.
 */
export async function makeSessionFolder(home: string, owner: Owner, nonce: string): Promise<SessionFolder> {
  const sessions = join(home, 'sessions')
  const name = `${owner.pid}-${owner.startTicks}-${nonce}`
  const config = join(sessions, name, 'config')
  const temporary = join(tmpdir(), TEMPORARY + name)
  await mkdir(config, { recursive: true, mode: 0o700 })
  // Not recursive: a folder of this name that somebody else has made is refused.
  await mkdir(temporary, { mode: 0o700 })
  await removeLeftOver(sessions, '')
  await removeLeftOver(tmpdir(), TEMPORARY)
  return {
    config,
    temporary,
    async clean() {
      await Promise.all([cleanFolder(config, OWN_CONFIG), cleanFolder(temporary, OWN_TEMPORARY)])
    },
    transcript: (sessionId) => readTranscript(join(config, 'projects'), sessionId),
    transcriptFile: (sessionId) => findTranscript(join(config, 'projects'), sessionId),
    async restore({ sessionId, rows }) {
      // Claude finds it below any project, whatever the working folder is, and goes on writing there (measured).
      const project = join(config, 'projects', 'restored')
      await mkdir(project, { recursive: true, mode: 0o700 })
      const text = Buffer.from(rows.map((row) => `${row}\n`).join(''))
      await writeFile(join(project, `${sessionId}.jsonl`), text, { mode: 0o600 })
      return text.length
    },
    async remove() {
      await remove(join(sessions, name))
      await remove(temporary)
    },
  }
}

/** By name: all of it, or only what is named of what is in it. */
interface Own {
  [name: string]: Own | true
}

/** What claude 2.1.330 writes for itself and works with for as long as it lives; `*` stands for any name. */
const OWN_CONFIG: Own = {
  '.claude.json': true,
  '.claude.json.lock': true,
  backups: true,
  plugins: { store: true },
  sessions: true,
  // What a shell of claude's begins with, written once from the files of HOME: as safe from earlier jobs as HOME is.
  'shell-snapshots': true,
  // Claude tells the model that the folder of its memory is there, and makes it once.
  projects: { '*': { memory: {} } },
}
const OWN_TEMPORARY: Own = { 'cc-socks': true, [`claude-${process.getuid?.() ?? 0}`]: {} }

async function cleanFolder(folder: string, own: Own): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name)
      const kept = own[entry.name] ?? own['*']
      if (kept === true) return
      if (kept !== undefined && entry.isDirectory()) return cleanFolder(path, kept)
      await rm(path, { recursive: true, force: true })
    }),
  )
}

async function readTranscript(projects: string, sessionId: string): Promise<string[]> {
  const folders = await readdir(projects).catch(() => [])
  const texts = await Promise.all(
    folders.map((folder) => readFile(join(projects, folder, `${sessionId}.jsonl`), 'utf8').catch(() => '')),
  )
  return texts.flatMap((text) => text.split('\n').filter((row) => row !== ''))
}

async function findTranscript(projects: string, sessionId: string): Promise<string | undefined> {
  for (const folder of await readdir(projects).catch(() => [])) {
    const path = join(projects, folder, `${sessionId}.jsonl`)
    if (await stat(path).catch(() => undefined)) return path
  }
  return undefined
}

async function removeLeftOver(parent: string, prefix: string): Promise<void> {
  if (process.platform !== 'linux') return
  for (const entry of await readdir(parent)) {
    if (!entry.startsWith(prefix)) continue
    const name = entry.slice(prefix.length)
    if (!/^\d+-\d+-[0-9a-f]+$/.test(name)) continue
    const [pid, startTicks] = name.split('-')
    if ((await readEntry(Number(pid)))?.startTicks !== startTicks) await remove(join(parent, entry))
  }
}

/** A tool may have left what cannot be removed: that is this user's alone, and no reason to fail a turn that is over. */
async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 2 }).catch(() => undefined)
}
