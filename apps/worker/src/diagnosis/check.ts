/** What was looked at, what was found, and what to do about it. */
export interface Check {
  name: string
  status: 'ok' | 'warn' | 'fail' | 'skipped'
  /** What was found, one line. Never a secret. */
  found: string
  /** The command or setting that mends it. */
  fix?: string | undefined
}

export const ok = (name: string, found: string): Check => ({ name, status: 'ok', found })
export const warn = (name: string, found: string, fix?: string): Check => ({ name, status: 'warn', found, fix })
export const fail = (name: string, found: string, fix?: string): Check => ({ name, status: 'fail', found, fix })
export const skipped = (name: string, found: string): Check => ({ name, status: 'skipped', found })
