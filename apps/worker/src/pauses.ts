/** Why this worker claims nothing, by what said so: it claims only while nobody has a reason. */
export interface Pauses {
  /** `undefined`: there is no reason any more. */
  set(cause: string, reason: string | undefined): void
  /** All of them in one line; undefined when there is none. */
  readonly reason: string | undefined
}

/** `onChange` is told when the first reason comes and when the last one goes. */
export function createPauses(onChange: (paused: boolean) => void): Pauses {
  const reasons = new Map<string, string>()
  return {
    set(cause, reason) {
      const before = reasons.size > 0
      if (reason === undefined) reasons.delete(cause)
      else reasons.set(cause, reason)
      if (before !== reasons.size > 0) onChange(!before)
    },
    get reason() {
      return reasons.size === 0 ? undefined : [...reasons.values()].join('; ')
    },
  }
}
