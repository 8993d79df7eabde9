import type { z } from 'zod'

/** Exit code of a process whose settings are wrong (`EX_CONFIG` of sysexits). */
export const BAD_SETTINGS_EXIT_CODE = 78

/** Settings that may hold a secret; each may also be given as `NAME_FILE`. */
export const SECRETS: ReadonlySet<string> = new Set([
  'REDIS_URL',
  'FLEET_API_KEY',
  'FLEET_API_KEYS',
  'FLEET_ADMIN_PASSWORD',
  'FLEET_WEBHOOK_KEY',
  'FLEET_JOB_KEY',
])

/** One wrong setting. `message` is one line that names it and what is allowed; it quotes no secret, nor a login of an address. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly setting: string

  constructor(setting: string, problem: string, options?: { cause: unknown }) {
    super(withoutLogin(`${setting}: ${problem}`.replaceAll(/\s+/g, ' ')), options)
    this.setting = setting
  }
}

export interface SettingsSource {
  env: Readonly<Record<string, string | undefined>>
  /** Reads a whole text file; throws where it cannot. Used for `NAME_FILE` and the files that settings name. */
  readFile: (path: string) => string
}

/**
 * Reads settings by a shape of one zod schema a name. Every name in `secrets` may also be given as `NAME_FILE`, the
 * path of a file with the value (one trailing line break is dropped). An empty value counts as not set.
 *
 * Throws SettingsError for the first bad one, in the order of the shape.
 */
export function readSettings<S extends z.ZodRawShape>(
  shape: S,
  source: SettingsSource,
  secrets: ReadonlySet<string>,
): { [K in keyof S]: z.output<S[K]> } {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(shape)) {
    const raw = secrets.has(name) ? readSecret(name, source) : present(source.env[name])
    const parsed = (schema as z.ZodType).safeParse(raw)
    if (!parsed.success) {
      const problem = parsed.error.issues[0]?.message ?? 'is not allowed'
      const quoted = raw === undefined || secrets.has(name) ? '' : `${JSON.stringify(withoutLogin(raw).slice(0, 100))} `
      throw new SettingsError(name, `${quoted}${problem}`)
    }
    values[name] = parsed.data
  }
  return values as { [K in keyof S]: z.output<S[K]> }
}

/** The value of a secret: from `NAME`, or from the file that `NAME_FILE` names. Both at once are refused. */
export function readSecret(name: string, source: SettingsSource): string | undefined {
  const direct = present(source.env[name])
  const file = present(source.env[`${name}_FILE`])
  if (file === undefined) return direct
  if (direct !== undefined) throw new SettingsError(name, `set either ${name} or ${name}_FILE, not both`)
  const value = present(readFile(`${name}_FILE`, file, source).replace(/\r?\n$/, ''))
  // A secret that was not mounted must not read as one that was not wanted.
  if (value === undefined) throw new SettingsError(`${name}_FILE`, `${JSON.stringify(file)} is empty`)
  return value
}

function readFile(setting: string, path: string, source: SettingsSource): string {
  try {
    return source.readFile(path)
  } catch (cause) {
    throw new SettingsError(setting, `cannot read ${JSON.stringify(path)}`, { cause })
  }
}

/** An address may carry a user and a password. */
const withoutLogin = (value: string) => value.replaceAll(/\/\/[^/\s]*@/g, '//***@')

const present = (value: string | undefined) => (value === undefined || value === '' ? undefined : value)
