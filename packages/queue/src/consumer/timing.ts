/** Times of a job's lock, ms. They count from the moment the last confirmed renewal was sent, by the monotonic clock. */
export interface LockTiming {
  /** A job whose lock was not renewed for this long is given to another worker. */
  lockMs: number
  renewMs: number
  /**
   * After this long without a confirmation the attempt is suspended. Less than `lockMs` by what that takes, so that a
   * job that is taken over has no twin that makes progress.
   */
  doubtMs: number
  /** After this long a suspended attempt is ended if the host of Redis cannot be reached; before `lockMs` too. */
  cutOffMs: number
  /** A suspended attempt is ended after this long, whatever the reason. */
  holdMs: number
  /** How often lapsed locks are looked for. A job of a killed worker starts again within `lockMs` and two of these. */
  reapMs: number
  /** When no worker of the fleet was answered for this long, nothing is taken over for one `lockMs`. */
  gapMs: number
}

export const LOCK_TIMING: LockTiming = {
  lockMs: 20_000,
  renewMs: 5_000,
  doubtMs: 12_000,
  cutOffMs: 17_000,
  holdMs: 600_000,
  reapMs: 1_000,
  gapMs: 5_000,
}
