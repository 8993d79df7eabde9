/**
 * Why a worker all of whose credentials have met their usage limit claims nothing: what it claimed it could only put back.
 * Undefined while it can use one. `parked`: until when, ms, by name.
 */
export function allParked(names: readonly string[], parked: ReadonlyMap<string, number>): string | undefined {
  if (names.length === 0 || names.some((name) => !parked.has(name))) return undefined
  const told = names.map((name) => `${name} until ${new Date(parked.get(name) ?? 0).toISOString()}`)
  return `parked by a usage limit: ${told.join(', ')}`
}
