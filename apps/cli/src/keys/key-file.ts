import { createHash, randomBytes } from 'node:crypto'
import { chmod, open, readFile, realpath, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FleetError, keyIdOf, parseApiKeys, type Scope } from '@claude-fleet/core'
import { lock } from '../batch/lock.js'

/** One key of the file, without what it takes to use it. */
export interface KeyEntry {
  id: string
  tenant: string
  scopes: Scope[]
  name?: string
  createdAt?: string
}

/** A key that was just made. `key` is nowhere else. */
export interface NewKey extends KeyEntry {
  key: string
}

const SETTING = 'FLEET_API_KEYS_FILE'
/** What `create` writes above an entry; for the API it is a comment. */
const NOTE = /^# (?<id>k_[0-9a-f]{12}) created (?<createdAt>\S+)(?: (?<name>.+))?$/

/** The keys of a file, in its order. Throws SettingsError when it is wrong, and FleetError `NOT_FOUND` without one. */
export async function listKeys(file: string): Promise<KeyEntry[]> {
  return entriesOf(await read(file))
}

/**
 * Makes a key of 256 random bits and adds its hash to the file, which is made with mode 0600 if there is none. The file is
 * replaced whole: an API that reads it meanwhile sees it as before or as after.
 */
export async function createKey(
  file: string,
  { tenant, scopes, name, now }: { tenant: string; scopes: readonly Scope[]; name: string | undefined; now: Date },
): Promise<NewKey> {
  const key = `fleet_${randomBytes(32).toString('base64url')}`
  const sha256 = createHash('sha256').update(key).digest('hex')
  const entry = { id: keyIdOf(sha256), tenant, scopes: [...scopes], createdAt: now.toISOString() }
  await change(file, true, (text) => {
    const note = `# ${entry.id} created ${entry.createdAt}${name === undefined ? '' : ` ${name}`}`
    const whole = text === '' || text.endsWith('\n') ? text : `${text}\n`
    return `${whole}${note}\n${tenant}:${sha256}:${scopes.join('+')}\n`
  })
  return { ...entry, ...(name === undefined ? {} : { name }), key }
}

/** Takes a key out of the file. Throws FleetError `NOT_FOUND` when it has none of this id. */
export async function revokeKey(file: string, id: string): Promise<KeyEntry> {
  let revoked: KeyEntry | undefined
  await change(file, false, (text) => {
    revoked = entriesOf(text).find((entry) => entry.id === id)
    if (revoked === undefined) throw new FleetError('NOT_FOUND', `there is no key ${id} in ${file}`)
    const lines = text.split('\n').flatMap((line) => {
      if (NOTE.exec(line)?.groups?.['id'] === id) return []
      if (line.trimStart().startsWith('#')) return [line]
      const entries = line.split(',')
      const kept = entries.filter((entry) => keyIdOf((entry.trim().split(':')[1] ?? '').toLowerCase()) !== id)
      if (kept.length === entries.length) return [line]
      return kept.length === 0 ? [] : [kept.join(',')]
    })
    return lines.join('\n')
  })
  if (revoked === undefined) throw new FleetError('INTERNAL', 'the file was not changed')
  return revoked
}

function entriesOf(text: string): KeyEntry[] {
  const notes = new Map(
    text.split('\n').flatMap((line) => {
      const note = NOTE.exec(line)?.groups
      return note === undefined ? [] : [[note['id'] ?? '', note] as const]
    }),
  )
  return parseApiKeys(SETTING, text).map(({ tenant, sha256, scopes }) => {
    const id = keyIdOf(sha256)
    const { name, createdAt } = notes.get(id) ?? {}
    return {
      id,
      tenant,
      scopes: [...scopes],
      ...(name === undefined ? {} : { name }),
      ...(createdAt === undefined ? {} : { createdAt }),
    }
  })
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new FleetError('NOT_FOUND', `cannot read the keys in ${file}`, { cause })
  }
}

/** One changer at a time, and never half a file: written beside it, then renamed over it. */
async function change(file: string, mayBeNew: boolean, edit: (text: string) => string): Promise<void> {
  // A file that is a link, as mounted ones are, stays one.
  const target = await realpath(file).catch(() => file)
  await using _ = await lock(`${target}.lock`, 'this file of keys')
  const before = await readFile(target, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (mayBeNew && cause.code === 'ENOENT') return ''
    throw new FleetError('NOT_FOUND', `cannot read the keys in ${file}`, { cause })
  })
  const after = edit(before)
  // What the API would refuse is not written.
  parseApiKeys(SETTING, after)
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`)
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(after)
    await handle.sync()
    await handle.close()
    await chmod(temporary, 0o600)
    await rename(temporary, target)
  } catch (error) {
    await handle.close().catch(() => undefined)
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}
