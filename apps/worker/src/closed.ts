/**
 * Why a worker none of whose credentials can be used claims nothing: what it claimed it could only put back. Undefined
 * while it can use one. `closed`: until when, ms, by name; 0 until somebody resumes it.
 */
export function allClosed(names: readonly string[], closed: ReadonlyMap<string, number>): string | undefined {
  if (names.length === 0 || names.some((name) => !closed.has(name))) return undefined
  const refused = names.filter((name) => closed.get(name) === 0)
  const parked = names.filter((name) => !refused.includes(name))
  const told = parked.map((name) => `${name} until ${new Date(closed.get(name) ?? 0).toISOString()}`)
  return [
    ...(told.length === 0 ? [] : [`parked by a usage limit: ${told.join(', ')}`]),
    ...(refused.length === 0 ? [] : [`refused by the API until resumed: ${refused.join(', ')}`]),
  ].join('; ')
}
