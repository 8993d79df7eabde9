/** Times of a job's lock, ms. */
export interface LockTiming {
  /** A job whose lock was not renewed for this long may be given to another worker. */
  lockMs: number
  renewMs: number
  /**
   * A worker that could not renew for this long stops the attempt itself. Less than `lockMs` by what stopping takes, so
   * that a job that is taken over has no live twin.
   */
  giveUpMs: number
  /** How often lapsed locks are looked for. A job of a killed worker starts again within `lockMs` and two of these. */
  stalledMs: number
}

export const LOCK_TIMING: LockTiming = { lockMs: 20_000, renewMs: 5_000, giveUpMs: 12_000, stalledMs: 5_000 }
