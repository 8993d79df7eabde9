import { createHash, timingSafeEqual } from 'node:crypto'
import { FleetError } from '@claude-fleet/core'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'

export interface Login {
  user: string
  password: string
}

/** Wrong sign-ins of one address before it has to wait, and for how long, ms. */
const TRIES = 10
const WAIT_MS = 60_000
/** Addresses that are remembered; past it the oldest is forgotten. */
const ADDRESSES = 10_000

/**
 * Lets in who signs in by HTTP Basic as `login`; every other request is `401`. Wrong sign-ins are counted by address:
 * past ten within a minute the address gets `429` until the minute is over, whatever it sends.
 */
export function signIn(login: Login, { now, log }: { now: () => number; log: Logger }): RequestHandler {
  const wanted = digest(`${login.user}:${login.password}`)
  const failures = new Map<string, { count: number; since: number }>()

  function failed(address: string): void {
    const entry = failures.get(address)
    const fresh = entry === undefined || now() - entry.since > WAIT_MS
    failures.delete(address)
    failures.set(address, fresh ? { count: 1, since: now() } : { ...entry, count: entry.count + 1 })
    const [oldest] = failures.keys()
    if (failures.size > ADDRESSES && oldest !== undefined) failures.delete(oldest)
    log.warn({ address }, 'a sign-in to the operators’ site failed')
  }

  return (req, _res, next) => {
    const address = req.socket.remoteAddress ?? ''
    const entry = failures.get(address)
    if (entry !== undefined && entry.count >= TRIES && now() - entry.since <= WAIT_MS) {
      throw new FleetError('TOO_MANY_REQUESTS', 'too many wrong sign-ins from this address; wait a minute', {
        details: { retryAfterMs: WAIT_MS - (now() - entry.since) },
      })
    }
    const given = credentialsOf(req.headers.authorization)
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) {
      failures.delete(address)
      next()
      return
    }
    // A browser's first request has none: that is how it learns to ask.
    if (given !== undefined) failed(address)
    throw new FleetError('UNAUTHENTICATED', 'sign in with the name and password of the operators', {
      details: { challenge: 'Basic realm="claude-fleet", charset="UTF-8"' },
    })
  }
}

function credentialsOf(header: string | undefined): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]{1,1000})$/i.exec(header ?? '')?.[1]
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8')
}

/** Equal lengths, so that the comparison takes the same time whatever was given. */
const digest = (text: string) => createHash('sha256').update(text).digest()
