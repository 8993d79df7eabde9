import { randomBytes } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const ID_CHARS = 26

/** A new job id: `j_` and 26 characters of a-z2-7, 130 random bits. Not derived from anything a caller sends. */
export function newJobId(): string {
  return `j_${randomBase32(ID_CHARS)}`
}

/** A new batch id: `b_` and 26 characters of a-z2-7. */
export function newBatchId(): string {
  return `b_${randomBase32(ID_CHARS)}`
}

/** A new session id: `s_` and 26 characters of a-z2-7. */
export function newSessionId(): string {
  return `s_${randomBase32(ID_CHARS)}`
}

/** A new webhook id: `wh_` and 26 characters of a-z2-7. */
export function newWebhookId(): string {
  return `wh_${randomBase32(ID_CHARS)}`
}

/** A new schedule id: `c_` and 26 characters of a-z2-7. */
export function newScheduleId(): string {
  return `c_${randomBase32(ID_CHARS)}`
}

/** What tells one attempt from every other in Redis: only the newest may write. */
export function newFence(): string {
  return randomBase32(ID_CHARS)
}

function randomBase32(chars: number): string {
  let text = ''
  for (const byte of randomBytes(chars)) text += ALPHABET.charAt(byte & 31)
  return text
}
