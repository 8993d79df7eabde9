/** Replaces secrets by value in whatever is published. */
export type Redact = <T>(value: T) => T

/** Shorter values are words of everyday text, such as a region's name. */
const MIN_SECRET_CHARS = 8
/** Variables of a credential whose values are no secrets and may well stand in an answer. */
const PLAIN_NAME = /(_URL|_REGION|_MODEL|_PROJECT_ID|_PROFILE|_FILE|_CREDENTIALS|_PROJECT)$/

/**
 * Makes the second line of defence for secrets: tools see what a credential holds beside the key of the model API, and the
 * files of the worker's user, so a tool's output may hold any of it. Every string in a published value has each secret replaced by `[redacted]`; what
 * comes in pieces is put together first (`event-redactor.ts`).
 */
export function createRedactor(environments: Iterable<Readonly<Record<string, string>>>): Redact {
  // The longest first: one secret may be the beginning of another.
  const ordered = secretsOf(environments).sort((a, b) => b.length - a.length)
  const redactText = (text: string) =>
    ordered.reduce((clean, secret) => (clean.includes(secret) ? clean.replaceAll(secret, '[redacted]') : clean), text)
  const redact = (value: unknown): unknown => {
    if (typeof value === 'string') return redactText(value)
    if (Array.isArray(value)) return value.map(redact)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [redactText(key), redact(child)]))
  }
  return (ordered.length === 0 ? (value: unknown) => value : redact) as Redact
}

/** The values of these environments that must not be shown. */
export function secretsOf(environments: Iterable<Readonly<Record<string, string>>>): string[] {
  const secrets = new Set<string>()
  for (const environment of environments) {
    for (const [name, value] of Object.entries(environment)) {
      if (value.length >= MIN_SECRET_CHARS && !PLAIN_NAME.test(name)) secrets.add(value)
    }
  }
  return [...secrets]
}
