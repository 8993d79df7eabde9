/** `350 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms: number | undefined): string {
  if (ms === undefined) return ''
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`
}

export function ago(at: number, now: number): string {
  return now - at < 1_000 ? 'now' : `${duration(now - at).replace(/\.\d s$/, ' s')} ago`
}

export function usd(amount: number): string {
  if (amount === 0) return '$0'
  return `$${amount >= 1 ? amount.toFixed(2) : amount.toPrecision(2)}`
}

/** Text as it is, but with control characters (and those that turn the direction of writing) to be seen. */
export function visible(text: unknown): string {
  const all = typeof text === 'string' ? text : (JSON.stringify(text, null, 2) ?? '')
  return all.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
