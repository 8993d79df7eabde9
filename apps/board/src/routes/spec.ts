/** What of a job's spec operators see: all of it, but of `env` the names alone; its values may be secrets. */
export function shownSpec(spec: unknown): unknown {
  if (typeof spec !== 'object' || spec === null || !('env' in spec)) return spec
  const { env } = spec
  const names = typeof env === 'object' && env !== null ? Object.keys(env) : []
  return { ...spec, env: Object.fromEntries(names.map((name) => [name, '…'])) }
}
