import { FleetError } from '@claude-fleet/core'

export interface AllowanceOptions {
  /** Requests of one key a second, over time; twice as many at once. 0: any number. */
  requestsPerSecond: number
  /** Event streams of one key at a time, in this process. 0: any number. */
  streams: number
}

/** What each key may ask of this process, so that one cannot take it from the others. */
export interface Allowance {
  /** Throws FleetError `TOO_MANY_REQUESTS`, with when to come again, when the key has had its share. */
  request(keyId: string): void
  /** Throws as `request` when the key has as many as it may; what it returns is called when the stream has ended. */
  stream(keyId: string): () => void
}

interface Bucket {
  left: number
  at: number
}

/** Past this many keys, those that have been quiet are forgotten; a full bucket needs no memory. */
const REMEMBERED = 1_000
const STREAM_RETRY_MS = 5_000

/** One token bucket a key. `now`: ms of a clock that is never set back. */
export function createAllowance({ now }: { now: () => number }, options: AllowanceOptions): Allowance {
  const { requestsPerSecond: rate, streams: most } = options
  const buckets = new Map<string, Bucket>()
  const streams = new Map<string, number>()

  function fill(bucket: Bucket): void {
    const at = now()
    bucket.left = Math.min(2 * rate, bucket.left + ((at - bucket.at) / 1_000) * rate)
    bucket.at = at
  }

  function forgetFull(): void {
    for (const [key, bucket] of buckets) {
      fill(bucket)
      if (bucket.left >= 2 * rate) buckets.delete(key)
    }
  }

  return {
    request(keyId) {
      if (rate === 0) return
      let bucket = buckets.get(keyId)
      if (bucket === undefined) {
        if (buckets.size >= REMEMBERED) forgetFull()
        buckets.set(keyId, (bucket = { left: 2 * rate, at: now() }))
      }
      fill(bucket)
      if (bucket.left < 1) {
        const retryAfterMs = Math.ceil(((1 - bucket.left) / rate) * 1_000)
        throw new FleetError('TOO_MANY_REQUESTS', `this key may ask ${rate} times a second`, {
          details: { retryAfterMs },
        })
      }
      bucket.left -= 1
    },
    stream(keyId) {
      const open = streams.get(keyId) ?? 0
      if (most > 0 && open >= most) {
        throw new FleetError('TOO_MANY_REQUESTS', `this key may have ${most} event streams open at once`, {
          details: { retryAfterMs: STREAM_RETRY_MS },
        })
      }
      streams.set(keyId, open + 1)
      return () => {
        const left = (streams.get(keyId) ?? 1) - 1
        if (left > 0) streams.set(keyId, left)
        else streams.delete(keyId)
      }
    },
  }
}
