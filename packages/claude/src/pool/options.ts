export interface SessionPoolOptions {
  /** Most sessions leased at one time. */
  max: number
  /** Most unused processes kept ready beyond them, for specs in recent use. Default: 0. */
  spares?: number
  /**
   * How long a process without a turn is kept, and how long a spec counts as in recent use, ms; 0 keeps none, so that
   * every lease is a cold start. Default: 0.
   */
  idleMs?: number
  /** Spares started at one time. Default: 1. */
  parallelStarts?: number
  /** From a lease to the start of the spare that replaces it, so that the two do not share the CPU, ms. Default: 250. */
  refillDelayMs?: number
  /** Leases a process serves before it is replaced: it grows with each. Default: 100. */
  maxUses?: number
  /** How old a process may be when it is leased, ms. Default: an hour. */
  maxAgeMs?: number
  /** Memory with which a process may serve again, bytes. Default: 300 MiB. */
  maxBytes?: number
}

const MIB = 1_024 * 1_024

const DEFAULTS = {
  spares: 0,
  idleMs: 0,
  parallelStarts: 1,
  // A first turn takes 0.12 s of mostly CPU.
  refillDelayMs: 250,
  maxUses: 100,
  maxAgeMs: 3_600_000,
  maxBytes: 300 * MIB,
} satisfies Omit<Required<SessionPoolOptions>, 'max'>

/** Throws RangeError where an option is not a number in its range. */
export function resolvePoolOptions(given: SessionPoolOptions): Required<SessionPoolOptions> {
  const options = { ...DEFAULTS, ...given }
  const whole = (name: keyof SessionPoolOptions, least: number): void => {
    const value = options[name]
    if (!Number.isInteger(value) || value < least) {
      throw new RangeError(`${name} must be a whole number of at least ${least}, not ${value}`)
    }
  }
  whole('max', 1)
  whole('spares', 0)
  whole('parallelStarts', 1)
  whole('maxUses', 1)
  return options.idleMs === 0 ? { ...options, spares: 0 } : options
}
