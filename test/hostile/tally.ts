import { appendFileSync } from 'node:fs'

/** Counts hostile inputs, for `npm run hostile`, which names the file. */
export interface HostileTally {
  /** One input was tried; `right`: it was answered as it must be. */
  tried(right: boolean): void
  /** To be called when the file's tests are done. */
  write(): void
}

export function createHostileTally(area: string): HostileTally {
  const counts = { area, tried: 0, wrong: 0 }
  return {
    tried(right) {
      counts.tried += 1
      if (!right) counts.wrong += 1
    },
    write() {
      const file = process.env.HOSTILE_TALLY
      if (file !== undefined) appendFileSync(file, `${JSON.stringify(counts)}\n`)
    },
  }
}
