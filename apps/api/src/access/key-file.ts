import { readFile } from 'node:fs/promises'
import { parseApiKeys } from '@claude-fleet/core'
import type { Logger } from 'pino'
import type { KeyRing } from './keys.js'

/** How often the file is read, ms. So long at most a key that was taken out of it is still let in. */
export const KEY_FILE_MS = 1_000

/** A file that is looked at. */
export interface WatchedKeyFile {
  /** Reads it now. */
  look(): Promise<void>
  close(): void
}

/**
 * Keeps the ring as the file of keys says, while the process runs. It is read, not waited on: a file that is replaced by
 * renaming, or is a link of a mounted secret, is seen all the same. One that cannot be read or is wrong changes nothing and
 * is said in the log once; one with no key in it lets nobody in.
 */
export function watchKeyFile(
  { ring, log }: { ring: KeyRing; log: Logger },
  { file, everyMs = KEY_FILE_MS }: { file: string; everyMs?: number },
): WatchedKeyFile {
  let seen: string | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function look(): Promise<void> {
    const found = await readFile(file, 'utf8').catch((error: unknown) => `\0${String(error)}`)
    if (found === seen || closed) return
    const isFirst = seen === undefined
    seen = found
    try {
      if (found.startsWith('\0')) throw new Error(found.slice(1))
      const keys = parseApiKeys('FLEET_API_KEYS_FILE', found)
      ring.replace(keys)
      if (!isFirst) log.info({ keys: keys.length }, 'the API keys were read again')
    } catch (err) {
      log.error({ err }, 'the file of API keys cannot be used; the keys of before hold')
    }
  }

  function again(): void {
    timer = setTimeout(() => {
      void look().finally(() => {
        if (!closed) again()
      })
    }, everyMs).unref()
  }

  again()
  return {
    look,
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
