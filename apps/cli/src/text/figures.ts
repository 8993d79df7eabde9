import type { Usage } from '@claude-fleet/core'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `350 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / SECOND)} s`
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`
}

/** How long ago `at` was, ms since the epoch both. */
export function ago(at: number, now: number): string {
  return now - at < SECOND ? 'now' : `${duration(now - at).replace(/\.\d s$/, ' s')} ago`
}

/** `$0.0123`; small amounts keep the digits that tell something. */
export function usd(amount: number): string {
  if (amount === 0) return '$0'
  return `$${amount >= 1 ? amount.toFixed(2) : amount.toFixed(amount >= 0.01 ? 4 : 6)}`
}

export function tokens({ inputTokens, outputTokens, cacheReadTokens, cacheCreationTokens }: Usage): string {
  return `${inputTokens + cacheReadTokens + cacheCreationTokens} tokens in, ${outputTokens} out`
}
