import { readFile } from 'node:fs/promises'
import { parseTenants, type TenantLimits } from '@claude-fleet/core'
import type { Limits } from '@claude-fleet/queue'
import type { Logger } from 'pino'

/** How often the file is read, ms. */
export const TENANTS_FILE_MS = 2_000

/** The limits of tenants, kept in Redis as their file says. */
export interface TenantsFile {
  /** What is wrong with the file or with what holds in Redis; undefined: nothing. */
  fault(): string | undefined
  /** Reads it now. */
  look(): Promise<void>
  close(): void
}

/**
 * Publishes the limits, and again when the file changes. A file that cannot be read or is wrong changes nothing. When another
 * process has published other limits since, they hold, and this one says so until the files agree: two processes with two
 * files must not take turns. Resolves when the limits are in Redis. Rejects with FleetError `UNAVAILABLE`.
 */
export async function watchTenantsFile(
  { limits, log }: { limits: Pick<Limits, 'publish' | 'compare'>; log: Logger },
  { file, first, everyMs = TENANTS_FILE_MS }: TenantsFileOptions,
): Promise<TenantsFile> {
  let tenants = first
  let seen: string | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let problem: string | undefined

  function say(found: string | undefined): void {
    if (found !== undefined && found !== problem) log.error({ file }, found)
    if (found === undefined && problem !== undefined) log.info({ file }, 'the limits of tenants are as the file says')
    problem = found
  }

  async function look(): Promise<void> {
    let wrong: string | undefined
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      wrong = error instanceof Error ? error.message : String(error)
      return undefined
    })
    if (closed) return
    if (text !== undefined) {
      try {
        const found = text === seen ? tenants : parseTenants(text)
        const isNew = seen !== undefined && text !== seen
        if (isNew) {
          await limits.publish(found)
          log.info({ file, tenants: found.size }, 'the limits of tenants were read again')
        }
        tenants = found
        seen = text
      } catch (error) {
        wrong = error instanceof Error ? error.message : String(error)
      }
    }
    if (wrong !== undefined) return say(`FLEET_TENANTS_FILE cannot be used, the limits of before hold: ${wrong}`)
    const answer = await limits.compare(tenants).catch((err: unknown) => {
      log.debug({ err }, 'the limits of tenants could not be compared')
      return 'same' as const
    })
    say(
      answer === 'same'
        ? undefined
        : 'another process has published other limits of tenants, and they hold: FLEET_TENANTS_FILE must be the same for all',
    )
  }

  function again(): void {
    timer = setTimeout(() => {
      void look().finally(() => {
        if (!closed) again()
      })
    }, everyMs).unref()
  }

  await limits.publish(tenants)
  again()
  return {
    fault: () => problem,
    look,
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}

export interface TenantsFileOptions {
  file: string
  /** What was in it at start. */
  first: ReadonlyMap<string, TenantLimits>
  everyMs?: number
}
