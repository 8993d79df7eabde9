import { FleetError } from '@claude-fleet/core'
import { unpackDebianServer } from './debian.js'
import { findProgram } from './program.js'

export interface Server {
  bin: string
  /** Folders of the libraries it needs, colon separated; '' when the system has them all. */
  libraryPath: string
}

/**
 * Finds a Redis server: `redis-server` or `valkey-server` on PATH, else Debian's, unpacked under `cacheDir`.
 * Rejects with FleetError `UNAVAILABLE`, one sentence with the command that brings one.
 */
export async function findServer(options: {
  cacheDir: string
  path?: string | undefined
  signal?: AbortSignal | undefined
}): Promise<Server> {
  const bin = await findProgram(['redis-server', 'valkey-server'], options.path)
  if (bin !== undefined) return { bin, libraryPath: '' }
  const tools = {
    aptGet: await findProgram(['apt-get'], options.path),
    dpkg: await findProgram(['dpkg'], options.path),
  }
  if (tools.aptGet === undefined || tools.dpkg === undefined) throw missing('no redis-server on PATH', remedy(false))
  try {
    return await unpackDebianServer({ aptGet: tools.aptGet, dpkg: tools.dpkg }, options.cacheDir, options.signal)
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw missing(`no redis-server on PATH, and its package cannot be had (${why})`, remedy(true), cause)
  }
}

function remedy(hasApt: boolean): string {
  if (hasApt) return 'run: sudo apt-get update && sudo apt-get install redis-server'
  if (process.platform === 'darwin') return 'run: brew install redis'
  return 'install redis-server 6.2 or newer (or valkey-server) with the package manager of this system'
}

function missing(problem: string, command: string, cause?: unknown): FleetError {
  const sentence = `${problem}; ${command} (or set REDIS_URL)`.replaceAll(/\s+/g, ' ')
  return new FleetError('UNAVAILABLE', sentence, { cause })
}
